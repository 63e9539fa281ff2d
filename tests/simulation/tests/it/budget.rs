//! Calls that are made again: the more there are that fail, the smaller the share of them that is made twice.

use std::time::Duration;

use fondue_simulation::{
    journal::{End, Service, What},
    laws,
    plan::Plan,
};
use tonic::Code;

use crate::seeds::play;

#[test]
fn a_service_that_refuses_everything_is_asked_little_more_than_once() {
    let plan = Plan::refused(1);
    let journal = play(&plan);
    let breaches = laws::breaches(&plan, &journal);
    assert!(breaches.is_empty(), "{:?}", &breaches[..breaches.len().min(3)]);
    let (mut calls, mut attempts, mut last) = (0_u32, 0_u32, Duration::ZERO);
    for entry in journal.entries() {
        match entry.what {
            What::Ended(End::Failed(code, ..)) => {
                assert_eq!(code, Code::ResourceExhausted);
                (calls, last) = (calls + 1, entry.at);
            }
            What::Refused(Service::Language) => attempts += 1,
            _ => {}
        }
    }
    // A fifth of the calls, and five a second in any case, of the last ten seconds, which are counted second by second.
    let allowed = f64::from(calls) * 1.2 + 5.0 * (last + Duration::from_secs(11)).as_secs_f64();
    assert_eq!(calls, 3000);
    assert!(attempts > calls && f64::from(attempts) <= allowed, "{attempts} attempts, {allowed:.0} allowed");
}
