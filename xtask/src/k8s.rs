//! `cargo xtask k8s`: renders the manifests of `k8s/` and checks them, without a cluster.
//!
//! Every object against Kubernetes' own schemas, of the oldest version that will do and of the newest that is known, and against
//! those of `k8s/schemas` for what Kubernetes does not know; every flag and key of a file against the book; every metric and
//! name of health against the sources; every pod against rules of safety; the Dockerfiles by hadolint.

mod images;
mod metrics;
mod pods;
mod settings;

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::python;

/// What can be applied, below `k8s`.
const RENDERED: [&str; 6] = [
    "overlays/dev",
    "overlays/prod",
    "overlays/prod-milvus",
    "overlays/prod-tls",
    "overlays/prod/volumes",
    "fill",
];

/// The oldest that knows all that is used: a pause before the signal to stop. The newest that there are schemas of.
const VERSIONS: [&str; 2] = ["1.30", "1.37"];

/// Reads YAML, gives JSON: objects that are what their schemas say.
const OBJECTS: &str = include_str!("k8s/objects.py");

/// Checks all that can be applied, and the Dockerfiles.
pub(crate) fn check(root: &Path) -> Result<()> {
    let tools = root.join(python::set_up_k8s(root)?);
    let known = Known::read(root)?;
    let mut faults = images::faults(root, &tools)?;
    for place in RENDERED {
        let objects = objects(root, &tools, place)?;
        ensure!(!objects.is_empty(), "k8s/{place} has no objects");
        let all = [pods::faults, settings::faults, metrics::faults].map(|check| check(&objects, &known));
        let own: Vec<_> = all.into_iter().flatten().map(|fault| format!("k8s/{place}: {fault}")).collect();
        println!("k8s/{place}: {} objects, {} faults", objects.len(), own.len());
        faults.extend(own);
    }
    ensure!(faults.is_empty(), "the manifests are not right:\n{}", faults.join("\n"));
    Ok(())
}

/// The objects of a folder that can be applied.
pub(crate) fn rendered(root: &Path, place: &str) -> Result<Vec<Value>> {
    let tools = root.join(python::set_up_k8s(root)?);
    objects(root, &tools, place)
}

/// What manifests may name.
struct Known {
    /// The book's page of the servers' settings.
    configuration: String,
    /// The book's page of the programs for people.
    commands: String,
    /// The sources of servers and crates.
    sources: String,
}

impl Known {
    fn read(root: &Path) -> Result<Self> {
        let page = |name: &str| {
            let path = root.join("docs/reference").join(name);
            fs::read_to_string(&path).with_context(|| path.display().to_string())
        };
        let mut sources = String::new();
        for folder in ["crates", "gateway", "services"] {
            read(&root.join(folder), &mut sources)?;
        }
        Ok(Self { configuration: page("configuration.md")?, commands: page("command-line.md")?, sources })
    }
}

/// Adds all sources in and below a folder, but for tests.
fn read(folder: &Path, sources: &mut String) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default();
        if path.is_dir() && name != "tests" && name != "target" {
            read(&path, sources)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") && name != "tests.rs" {
            sources.push_str(&fs::read_to_string(&path)?);
        }
    }
    Ok(())
}

/// The objects of a folder, once each is what its schemas say.
fn objects(root: &Path, tools: &Path, place: &str) -> Result<Vec<Value>> {
    let folder = root.join("k8s").join(place);
    let rendered = Command::new(tools.join("bin/kubectl")).arg("kustomize").arg(&folder).output()?;
    let told = String::from_utf8_lossy(&rendered.stderr);
    ensure!(rendered.status.success(), "k8s/{place} cannot be rendered: {told}");
    let mut objects = Vec::new();
    for version in VERSIONS {
        let mut python = Command::new("python3");
        python.args(["-c", OBJECTS, version]).arg(root.join("k8s/schemas")).env("PYTHONPATH", tools);
        let mut python = python.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        // All is read before anything is written, so this cannot wait for itself.
        python.stdin.take().context("no stdin")?.write_all(&rendered.stdout)?;
        let said = python.wait_with_output()?;
        ensure!(said.status.success(), "k8s/{place} is not what Kubernetes {version} takes; see above");
        objects = serde_json::from_slice(&said.stdout)?;
    }
    Ok(objects)
}

/// `kind/name`, as faults name an object.
fn name(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    format!("{}/{}", text(&object["kind"]), text(&object["metadata"]["name"]))
}

/// The pod that an object is or makes.
fn pod(object: &Value) -> Option<&Value> {
    match object["kind"].as_str()? {
        "Pod" => Some(&object["spec"]),
        "Deployment" | "StatefulSet" | "DaemonSet" | "Job" => Some(&object["spec"]["template"]["spec"]),
        _ => None,
    }
}

/// All containers of a pod, those that run before the others too.
fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    ["initContainers", "containers"].into_iter().flat_map(|list| pod[list].as_array().into_iter().flatten())
}
