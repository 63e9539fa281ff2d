//! `fondue key`: keys for a gateway that asks who calls.

use std::num::NonZeroU32;

use anyhow::{Context, Result};
use fondue_auth::key;

use crate::exit;

const EXAMPLES: &str = "\
Examples:
  fondue key new --id alice --tenant acme
  fondue key new --id bob --tenant acme --requests-per-minute 60 --concurrent-turns 4 --gallery

Put the entry into the file that the gateway reads (`fondue-gateway --api-keys keys.toml`), which is looked at each
second, and give the key to whoever will use it: `FONDUE_API_KEY=… fondue chat`. It is shown once and kept nowhere.";

/// Options of `fondue key`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Make a key; print it, and the entry for the gateway's file.
    #[command(after_long_help = EXAMPLES)]
    New(New),
}

#[derive(Debug, clap::Args)]
struct New {
    /// What the key is called, in logs and in the file.
    #[arg(long, value_parser = name)]
    id: String,
    /// Whose it is: the model's memory of prompts is shared within a tenant alone.
    #[arg(long, value_parser = name)]
    tenant: String,
    /// Calls a minute; each turn of a conversation counts as one [default: not limited].
    #[arg(long, value_name = "N")]
    requests_per_minute: Option<NonZeroU32>,
    /// How many of them may come at once [default: as many as in a minute].
    #[arg(long, value_name = "N", requires = "requests_per_minute")]
    burst: Option<NonZeroU32>,
    /// Turns at once [default: not limited].
    #[arg(long, value_name = "N")]
    concurrent_turns: Option<u32>,
    /// Conversations at once [default: not limited].
    #[arg(long, value_name = "N")]
    conversations: Option<u32>,
    /// Tokens of prompts and answers in a day (UTC) [default: not limited].
    #[arg(long, value_name = "N")]
    tokens_per_day: Option<u64>,
    /// When it ends to be valid, such as 2027-01-31T00:00:00Z [default: never].
    #[arg(long, value_name = "TIME")]
    expires: Option<String>,
    /// Whether it may change the gallery.
    #[arg(long)]
    gallery: bool,
}

/// Makes a key.
pub(crate) fn run(args: &Args) -> Result<()> {
    let What::New(new) = &args.what;
    let made = key::generate().context("the system gives no random numbers")?;
    let entry = entry(new, &made);
    // The gateway's own reader has the last word, of a time above all.
    fondue_auth::keys::Keys::read(&entry, false, &Default::default())
        .map_err(|error| exit::wrong(error.into()))?;
    println!(
        "The key, shown this once:\n\n{made}\n\nThe entry for the file of `fondue-gateway --api-keys`:\n\n{entry}"
    );
    Ok(())
}

fn entry(new: &New, made: &str) -> String {
    let mut lines = vec![
        "[[key]]".to_owned(),
        format!("id = {:?}", new.id),
        format!("hash = {:?}", key::told(&key::digest(made))),
        format!("tenant = {:?}", new.tenant),
    ];
    let numbers = [
        ("requests_per_minute", new.requests_per_minute.map(|n| n.get().into())),
        ("burst", new.burst.map(|n| n.get().into())),
        ("concurrent_turns", new.concurrent_turns.map(u64::from)),
        ("conversations", new.conversations.map(u64::from)),
        ("tokens_per_day", new.tokens_per_day),
    ];
    lines.extend(numbers.into_iter().filter_map(|(name, n)| Some(format!("{name} = {}", n?))));
    lines.extend(new.expires.as_ref().map(|time| format!("expires = {time:?}")));
    if new.gallery {
        lines.push("gallery = true".to_owned());
    }
    lines.join("\n") + "\n"
}

/// Visible ASCII, and nothing that TOML would escape.
fn name(text: &str) -> Result<String, String> {
    let right = |byte: u8| byte.is_ascii_graphic() && !b"\"\\".contains(&byte);
    if (1..=128).contains(&text.len()) && text.bytes().all(right) {
        return Ok(text.to_owned());
    }
    Err("must be 1 … 128 visible ASCII characters without quotes and backslashes".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn an_entry_is_what_the_gateway_reads_and_never_holds_the_key() {
        let words = "x new --id alice --tenant acme --requests-per-minute 60 --burst 5 --concurrent-turns 2 \
                     --conversations 3 --tokens-per-day 9 --expires 2999-01-31T00:00:00Z --gallery";
        let What::New(new) =
            Line::try_parse_from(words.split_whitespace()).unwrap_or_else(|e| panic!("{e}")).args.what;
        let made = key::generate().unwrap();
        let entry = entry(&new, &made);
        let keys = fondue_auth::keys::Keys::read(&entry, false, &Default::default()).unwrap();
        assert_eq!((keys.len(), entry.lines().count()), (1, 11));
        assert!(!entry.contains(&made) && entry.contains("burst = 5\n"), "{entry}");
        for wrong in
            ["x new --id a --tenant", "x new --id a\"b --tenant t", "x new --id a --tenant t --burst 1"]
        {
            assert!(Line::try_parse_from(wrong.split_whitespace()).is_err(), "{wrong}");
        }
        let late = "x new --id a --tenant t --expires soon".split_whitespace();
        assert!(run(&Line::try_parse_from(late).unwrap_or_else(|e| panic!("{e}")).args).is_err());
    }
}
