//! The fondue command: starts the services, talks to them.
