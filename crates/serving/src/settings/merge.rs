//! Flags over a file: the file takes the flags' names, with underscores, and no others.

use std::{collections::BTreeSet, fs, path::Path};

use clap::Command;
use serde::{Serialize, de::DeserializeOwned};
use toml::{Table, Value};

use super::SettingsError;

/// The settings of `file`, overlaid by those flags that are set.
///
/// # Errors
/// [`SettingsError`] naming the file and the key at fault.
pub fn merge<S>(flags: S, file: Option<&Path>) -> Result<S, SettingsError>
where
    S: clap::Args + Serialize + DeserializeOwned,
{
    let Some(path) = file else { return Ok(flags) };
    let read = |source| SettingsError::Read { path: path.to_owned(), source };
    let text = fs::read_to_string(path).map_err(read)?;
    let syntax =
        |reason: toml::de::Error| SettingsError::Syntax { path: path.to_owned(), reason: reason.to_string() };
    let mut table: Table = text.parse().map_err(syntax)?;
    check::<S>(&table, path)?;
    let flags = Table::try_from(&flags).map_err(|error| SettingsError::Flags(error.to_string()))?;
    table.extend(flags);
    Value::Table(table).try_into().map_err(|error| SettingsError::Flags(error.to_string()))
}

/// Looks at each key by itself, so that the error can name it.
fn check<S: clap::Args + DeserializeOwned>(table: &Table, path: &Path) -> Result<(), SettingsError> {
    let command = S::augment_args(Command::new(""));
    let known: BTreeSet<&str> = command.get_arguments().map(|arg| arg.get_id().as_str()).collect();
    for (key, value) in table {
        if !known.contains(key.as_str()) {
            let known = known.iter().copied().collect::<Vec<_>>().join(", ");
            return Err(SettingsError::UnknownKey { path: path.to_owned(), key: key.clone(), known });
        }
        let alone = Table::from_iter([(key.clone(), value.clone())]);
        if let Err(error) = Value::Table(alone).try_into::<S>() {
            let reason = error.message().trim().to_owned();
            return Err(SettingsError::Type { path: path.to_owned(), key: key.clone(), reason });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use clap::Parser;
    use serde::Deserialize;

    use super::*;
    use crate::settings::ServingSettings;

    #[derive(Debug, Parser)]
    struct Args {
        #[command(flatten)]
        settings: Settings,
    }

    #[derive(Debug, clap::Args, Serialize, Deserialize)]
    struct Settings {
        #[command(flatten)]
        #[serde(flatten)]
        serving: ServingSettings,
        #[arg(long)]
        #[serde(skip_serializing_if = "Option::is_none")]
        ret_bias: Option<f32>,
    }

    fn merged(flags: &[&str], file: &str) -> Result<Settings, String> {
        let mut on_disk = tempfile::NamedTempFile::new().unwrap();
        on_disk.write_all(file.as_bytes()).unwrap();
        let args = Args::parse_from([&["x"], flags].concat());
        merge(args.settings, Some(on_disk.path())).map_err(|error| error.to_string())
    }

    #[test]
    fn flags_win_and_the_rest_comes_from_the_file() {
        let settings =
            merged(&["--ret-bias=2.5"], "ret_bias = 1\ndrain_seconds = 2\nlisten = \"[::1]:5\"").unwrap();
        assert_eq!(settings.ret_bias, Some(2.5));
        assert_eq!(settings.serving.drain_seconds, Some(2.0));
        let serving = settings.serving.resolve("127.0.0.1:1").unwrap();
        assert_eq!(serving.listen.to_string(), "[::1]:5");
        assert_eq!(serving.max_message_bytes, 32 << 20);
    }

    #[test]
    fn what_is_wrong_in_the_file_is_named() {
        let unknown = merged(&[], "max_mesage_bytes = 5").unwrap_err();
        assert!(
            unknown.contains("`max_mesage_bytes`") && unknown.contains("max_message_bytes,"),
            "{unknown}"
        );
        let kind = merged(&[], "listen = 5").unwrap_err();
        assert!(kind.contains("`listen`") && kind.contains("string"), "{kind}");
        assert!(merged(&[], "listen = ").unwrap_err().contains("not TOML"));
    }

    #[test]
    fn ranges_are_told() {
        let wrong =
            |flag: &str| merged(&[flag], "").unwrap().serving.resolve("127.0.0.1:1").unwrap_err().to_string();
        assert_eq!(wrong("--drain-seconds=NaN"), "drain_seconds: must be 0 … 3600, got NaN");
        assert_eq!(wrong("--max-message-bytes=5"), "max_message_bytes: must be 1024 … 1073741824, got 5");
        assert!(wrong("--listen=nowhere").starts_with("listen: must be HOST:PORT"));
        assert!(wrong("--log-format=xml").contains("text or json"));
    }
}
