//! What containers tell our programs: each flag, and each key of a file, must be one that the book knows of that program.

use serde_json::Value;
use toml::Table;

use super::{Known, containers, name, pod};

/// The drain of a server that is not told.
const DRAIN_SECONDS: f64 = 3.0;

/// Flags, keys and variables that no program of ours has.
pub(super) fn faults(objects: &[Value], known: &Known) -> Vec<String> {
    let mut faults = Vec::new();
    for object in objects {
        let Some(pod) = pod(object) else { continue };
        for container in containers(pod).filter(|container| is_ours(container)) {
            let told = of_container(pod, container, objects, known);
            faults.extend(told.into_iter().map(|fault| format!("{}: {fault}", name(object))));
        }
    }
    faults
}

fn is_ours(container: &Value) -> bool {
    container["image"].as_str().is_some_and(|image| image.starts_with("fondue-"))
}

fn of_container(pod: &Value, container: &Value, objects: &[Value], known: &Known) -> Vec<String> {
    let command = words(&container["command"]).join(" ");
    let flags: Vec<&str> =
        words(&container["args"]).into_iter().filter(|word| word.starts_with('-')).collect();
    // They read no variables.
    let env = container["env"].as_array().into_iter().flatten();
    let mut faults: Vec<String> =
        env.map(|set| format!("{command} reads no variable {}", set["name"])).collect();
    let Some(program) = Program::of(&command, known) else {
        faults.extend(flags.iter().map(|flag| format!("{command} has no reference that knows {flag}")));
        return faults;
    };
    faults.extend(
        flags.iter().filter(|flag| !program.takes(flag)).map(|flag| format!("{command} has no flag {flag}")),
    );
    match file(pod, container, objects) {
        None => {}
        Some(Err(fault)) => faults.push(fault),
        Some(Ok(table)) => {
            let unknown = table.keys().filter(|key| !program.keys().any(|known| known == *key));
            faults.extend(unknown.map(|key| format!("{command} has no setting {key}")));
        }
    }
    faults
}

/// How long a server of ours takes its time to stop; `None` for what is no server.
pub(super) fn drain_seconds(pod: &Value, container: &Value, objects: &[Value]) -> Option<f64> {
    let table = file(pod, container, objects)?.ok()?;
    let told = table.get("drain_seconds");
    let told = told.and_then(|told| told.as_float().or(told.as_integer().map(|seconds| seconds as f64)));
    Some(told.unwrap_or(DRAIN_SECONDS))
}

/// The file that `--config` names, from the map that is mounted there; `None` without the flag.
fn file(pod: &Value, container: &Value, objects: &[Value]) -> Option<Result<Table, String>> {
    let path = words(&container["args"]).into_iter().find_map(|word| word.strip_prefix("--config="))?;
    // Only ours are TOML.
    if !is_ours(container) {
        return None;
    }
    Some(
        text(path, pod, container, objects)
            .ok_or(format!("no map holds {path}"))
            .and_then(|text| text.parse::<Table>().map_err(|error| format!("{path}: {error}"))),
    )
}

fn text<'a>(path: &str, pod: &Value, container: &Value, objects: &'a [Value]) -> Option<&'a str> {
    let (folder, file) = path.rsplit_once('/')?;
    let mount = container["volumeMounts"].as_array()?.iter().find(|mount| mount["mountPath"] == folder)?;
    let volume = pod["volumes"].as_array()?.iter().find(|volume| volume["name"] == mount["name"])?;
    let map = objects.iter().find(|object| {
        object["kind"] == "ConfigMap" && object["metadata"]["name"] == volume["configMap"]["name"]
    })?;
    map["data"][file].as_str()
}

fn words(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// What the book says of a program.
enum Program<'a> {
    /// A server: rows of flags and keys.
    Server(&'a str),
    /// A program for people: its help.
    Command(&'a str),
}

impl<'a> Program<'a> {
    fn of(command: &str, known: &'a Known) -> Option<Self> {
        let server = section(&known.configuration, command).map(Self::Server);
        server.or_else(|| section(&known.commands, command).map(Self::Command))
    }

    fn takes(&self, flag: &str) -> bool {
        let flag = flag.split('=').next().unwrap_or_default();
        match self {
            // The flag that names the file is no setting.
            Self::Server(rows) => {
                flag == "--config" || rows.lines().filter_map(row).any(|(known, _)| known == flag)
            }
            Self::Command(help) => {
                help.lines().any(|line| line.trim_start().split([' ', ',', '=']).any(|word| word == flag))
            }
        }
    }

    /// Keys of its file.
    fn keys(&self) -> impl Iterator<Item = &'a str> {
        let rows = match self {
            Self::Server(rows) => rows,
            Self::Command(_) => "",
        };
        rows.lines().filter_map(row).map(|(_, key)| key)
    }
}

/// Flag and key of a row: "| `--listen HOST:PORT` | `listen` | …".
fn row(line: &str) -> Option<(&str, &str)> {
    let (flag, rest) = line.strip_prefix("| `")?.split_once("` | `")?;
    let key = rest.split('`').next()?;
    Some((flag.split([' ', '[', '=']).next()?, key))
}

/// What stands below a heading of any level.
fn section<'a>(page: &'a str, heading: &str) -> Option<&'a str> {
    let start = page.find(&format!("# {heading}\n"))?;
    let body = page[start..].split_once('\n')?.1;
    let end = body.find("\n## ").into_iter().chain(body.find("\n### ")).min();
    Some(&body[..end.unwrap_or(body.len())])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn known() -> Known {
        Known {
            configuration: "# C\n\n## fondue-vision\n\n| `--listen HOST:PORT` | `listen` | x | y |\n\
                            | `--verify[=BOOL]` | `verify` | x | y |\n\n## fondue-language\n\n| `--slots N` | `slots` | 16 | y |\n"
                .to_owned(),
            commands: "## fondue index\n\n### fondue index build\n\n  -k, --pictures <DIR>\n\n### fondue index add\n\n  --other\n"
                .to_owned(),
            sources: String::new(),
        }
    }

    fn objects(command: Value, args: Value, file: &str) -> Vec<Value> {
        let container = json!({
            "image": "fondue-torch:1", "command": command, "args": args,
            "volumeMounts": [{ "name": "config", "mountPath": "/etc/fondue" }],
        });
        let spec = json!({
            "containers": [container], "volumes": [{ "name": "config", "configMap": { "name": "m" } }],
        });
        vec![
            json!({ "kind": "Pod", "metadata": { "name": "x" }, "spec": spec }),
            json!({ "kind": "ConfigMap", "metadata": { "name": "m" }, "data": { "a.toml": file } }),
        ]
    }

    #[test]
    fn flags_and_keys_are_those_of_the_program() {
        let check = |command: Value, args: Value, file: &str| faults(&objects(command, args, file), &known());
        let vision = json!(["fondue-vision"]);
        let args = json!(["--config=/etc/fondue/a.toml", "--listen=0.0.0.0:1", "--verify"]);
        assert_eq!(check(vision.clone(), args.clone(), "listen = \"a\""), [""; 0]);
        assert_eq!(
            check(vision.clone(), args.clone(), "slots = 1"),
            ["Pod/x: fondue-vision has no setting slots"]
        );
        assert_eq!(check(vision.clone(), args, "slots").len(), 1);
        assert_eq!(
            check(vision.clone(), json!(["--slots=1"]), ""),
            ["Pod/x: fondue-vision has no flag --slots=1"]
        );
        assert_eq!(check(vision, json!(["--config=/etc/fondue/b.toml"]), "").len(), 1);
        let build = json!(["fondue", "index", "build"]);
        assert_eq!(check(build.clone(), json!(["--pictures=/a", "out"]), ""), [""; 0]);
        assert_eq!(check(build, json!(["--other=1"]), "").len(), 1);
        assert_eq!(check(json!(["sleep"]), json!(["infinity"]), ""), [""; 0]);
        assert_eq!(check(json!(["sleep"]), json!(["--slots"]), "").len(), 1);
    }

    #[test]
    fn the_time_to_stop_is_the_files_or_the_usual() {
        let drain = |file: &str| {
            let objects = objects(json!([]), json!(["--config=/etc/fondue/a.toml"]), file);
            drain_seconds(&objects[0]["spec"], &objects[0]["spec"]["containers"][0], &objects)
        };
        assert_eq!(
            (drain("drain_seconds = 90"), drain("drain_seconds = 1.5"), drain("")),
            (Some(90.0), Some(1.5), Some(3.0))
        );
    }
}
