//! The whole service on a loopback port, over small indexes that are built here.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod activation;
mod changing;
mod conformance;
mod killed;
mod lite;
mod loading;
mod outages;
mod searching;
mod service;
mod stopping;
