//! Set-up, demo, tests and tidy checks; needs no libtorch.
fn main(){}
