//! A turn starts from what the model remembers of those before it; another tenant's does not.

use anyhow::Result;
use fondue_harness::{Cluster, Flags};
use fondue_proto::dialogue::{ConverseRequest, OpenDialogue, TurnOptions, converse_request::Action};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::{
    said::{hear, image, text, turn},
    seen::metric_at,
};

/// Positions of a block of keys and values: only whole ones are remembered.
const BLOCK: u32 = 16;

/// A conversation of three turns: for each, positions of its prompt, those remembered, and the answer.
async fn talk(cluster: &Cluster, tenant: &str) -> Result<Vec<(u32, u32, String)>> {
    let (say, said) = mpsc::channel(8);
    let defaults =
        TurnOptions { max_images: Some(0), cache_key: Some(tenant.to_owned()), ..TurnOptions::default() };
    let open = OpenDialogue { defaults: Some(defaults), ..OpenDialogue::default() };
    say.send(ConverseRequest { action: Some(Action::Open(open)) }).await?;
    let mut events = cluster.dialogue()?.converse(ReceiverStream::new(said)).await?.into_inner();
    let mut turns = Vec::new();
    for question in ["Can you find a rocket for me, please?", "Show me a red apple.", "Is there a dog?"] {
        let mut parts = vec![text(question)];
        if turns.is_empty() {
            parts.insert(0, image(cluster.picture(3)?));
        }
        say.send(ConverseRequest { action: Some(Action::Turn(turn(parts, TurnOptions::default()))) }).await?;
        let heard = hear(&mut events).await?;
        let usage = heard.done().usage.unwrap();
        turns.push((usage.prompt_tokens, usage.cached_tokens, heard.text()));
    }
    Ok(turns)
}

#[tokio::test]
async fn a_turn_starts_from_the_turns_before_it_and_from_no_other_tenants() -> Result<()> {
    let cluster = Cluster::start(Flags::default()).await?;
    let counted =
        async |name: &str| metric_at(&cluster.language.address, &format!("fondue_language_{name}")).await;
    let first = talk(&cluster, "a").await?;
    assert_eq!(first[0].1, 0);
    for pair in first.windows(2) {
        let ((before, ..), (positions, cached, _)) = (&pair[0], &pair[1]);
        assert!(*cached >= before / BLOCK * BLOCK && cached < positions, "{first:?}");
    }
    assert!(first[2].1 >= 2 * BLOCK, "{first:?}");
    assert_eq!(talk(&cluster, "b").await?, first, "another tenant begins anew, and hears the same");
    let again = talk(&cluster, "a").await?;
    assert!(
        again.iter().all(|(positions, cached, _)| *cached >= (positions - 1) / BLOCK * BLOCK),
        "{again:?}"
    );
    // All that was said of it is in the metrics, too. Two tenants heard the same, and one of them twice.
    let all = [&first, &first, &again].into_iter().flatten();
    let (positions, cached) = all.fold((0, 0), |sum, turn| (sum.0 + turn.0, sum.1 + turn.1));
    assert_eq!(counted("prompt_tokens_total").await?, f64::from(positions));
    assert_eq!(counted("prefix_hit_tokens_total").await?, f64::from(cached));
    assert_eq!(counted("prefix_missed_tokens_total").await?, f64::from(positions - cached));
    for name in ["queue", "prefill", "first_token"] {
        assert_eq!(counted(&format!("{name}_seconds_count")).await?, 9.0, "{name}");
    }
    for name in ["inter_token_seconds_count", "tokens_total", "kv_cached_bytes", "kv_budget_bytes"] {
        assert!(counted(name).await? > 9.0, "{name}");
    }
    let steps = counted("step_rows_count").await?;
    let by_kind = async |kind: &str| counted(&format!("step_seconds_count{{kind=\"{kind}\"}}")).await;
    assert_eq!(by_kind("decode").await? + by_kind("prefill").await?, steps);
    let off = Flags { language: &["--prefix-cache=off"], ..Flags::default() };
    let forgetful = talk(&Cluster::start(off).await?, "a").await?;
    let answers = |turns: &[(u32, u32, String)]| turns.iter().map(|turn| turn.2.clone()).collect::<Vec<_>>();
    assert!(forgetful.iter().all(|turn| turn.1 == 0), "{forgetful:?}");
    assert_eq!(answers(&forgetful), answers(&first));
    Ok(())
}
