//! Picture files to the vision tower's pixels; pure.
