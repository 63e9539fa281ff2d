//! What every back end does alike: the same cases, through the same service, over a folder and over a Milvus server.

pub(crate) mod back;
mod cases;
mod changes;
mod filters;

use self::back::Back;
use crate::lite::Lite;

/// Each case over a folder as a test of its own; all of them over one Milvus server, as starting that takes seconds.
macro_rules! conformance {
    ($($module:ident::$case:ident),* $(,)?) => {
        mod local {
            $(#[tokio::test]
            async fn $case() {
                super::$module::$case(super::Back::local()).await;
            })*
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn milvus() {
            let server = Lite::start();
            let mut failed = Vec::new();
            // One after the other: milvus-lite loses aliases that are written at once.
            $({
                let back = Back::milvus(server.url(), stringify!($case));
                if tokio::spawn($module::$case(back)).await.is_err() {
                    failed.push(stringify!($case));
                }
            })*
            assert!(failed.is_empty(), "failed over Milvus, see above: {failed:?}");
        }
    };
}

conformance! {
    cases::the_nearest_come_first,
    cases::files_come_if_they_are_asked_for_and_fit,
    cases::what_is_excluded_is_not_found,
    cases::generations_can_be_pinned_and_activated,
    cases::pictures_are_fetched,
    cases::the_index_is_described,
    cases::wrong_requests_are_refused,
    filters::each_kind_of_condition_holds,
    filters::conditions_mean_what_the_oracle_says,
    filters::texts_are_texts,
    changes::what_is_ingested_is_found_and_what_is_deleted_is_not,
    changes::what_was_deleted_can_come_again,
    changes::any_id_can_be_one,
    changes::a_field_keeps_its_kind,
    changes::one_batch_can_name_a_picture_twice,
    changes::compaction_changes_nothing_that_is_seen,
    changes::large_files_come_whole,
}
