//! Which package may depend on what: the boundaries of ARCHITECTURE.md, checked on cargo's own graph.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

use anyhow::{Context, Result, ensure};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

/// Packages that must not reach a dependency, directly or through others.
const UNREACHABLE: &[(&str, &[&str])] = &[
    (
        "torch-sys",
        &[
            "fondue-gateway",
            "fondue-retrieval",
            "fondue-launch",
            "fondue-bench",
            "fondue-corpus",
            "fondue-drawings",
            "fondue-auth",
            "fondue-fetch",
            "fondue-fleet",
            "fondue-imaging",
            "fondue-kernels",
            "fondue-index",
            "fondue-pickle",
            "fondue-terminal",
            "fondue-xtask",
        ],
    ),
    (
        "tonic",
        &[
            "fondue-auth",
            "fondue-domain",
            "fondue-fetch",
            "fondue-fleet",
            "fondue-kernels",
            "fondue-mapped",
            "fondue-imaging",
            "fondue-index",
            "fondue-model",
            "fondue-engine",
            "fondue-pickle",
            "fondue-checkpoint",
            "fondue-corpus",
            "fondue-terminal",
        ],
    ),
    (
        "tokio",
        &[
            "fondue-domain",
            "fondue-kernels",
            "fondue-mapped",
            "fondue-imaging",
            "fondue-index",
            "fondue-model",
            "fondue-pickle",
            "fondue-checkpoint",
            "fondue-corpus",
            "fondue-terminal",
        ],
    ),
    (
        "clap",
        &[
            "fondue-auth",
            "fondue-domain",
            "fondue-fetch",
            "fondue-kernels",
            "fondue-imaging",
            "fondue-index",
            "fondue-model",
            "fondue-engine",
            "fondue-pickle",
        ],
    ),
];

/// The only packages of ours that may name a dependency themselves.
const ONLY: &[(&str, &[&str])] = &[
    ("tch", &["fondue-model", "fondue-engine", "fondue-golden", "fondue-train", "fondue-evaluate"]),
    // Files in the first, huge pages in the second.
    ("memmap2", &["fondue-mapped", "fondue-kernels"]),
    ("milvus-sdk-rust", &["fondue-retrieval"]),
    ("mozjpeg", &["fondue-imaging"]),
    // What strangers' URLs name is fetched by one crate, which judges addresses; all other TLS is in the other.
    ("rustls-native-certs", &["fondue-fetch", "fondue-tls"]),
    ("url", &["fondue-fetch"]),
    ("jsonwebtoken", &["fondue-auth"]),
    ("opentelemetry-otlp", &["fondue-serving"]),
    ("resvg", &["fondue-drawings"]),
];

/// Checks the graph of normal dependencies.
pub(crate) fn check(root: &Path) -> Result<()> {
    let metadata = MetadataCommand::new().manifest_path(root.join("Cargo.toml")).exec()?;
    let faults = faults(&metadata)?;
    ensure!(faults.is_empty(), "dependencies cross a boundary:\n{}", faults.join("\n"));
    Ok(())
}

fn faults(metadata: &Metadata) -> Result<Vec<String>> {
    let names: HashMap<&PackageId, &str> =
        metadata.packages.iter().map(|package| (&package.id, package.name.as_str())).collect();
    let resolve = metadata.resolve.as_ref().context("cargo metadata gave no graph")?;
    let normal: HashMap<&PackageId, Vec<&PackageId>> = resolve
        .nodes
        .iter()
        .map(|node| {
            let normal = node
                .deps
                .iter()
                .filter(|dep| dep.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal));
            (&node.id, normal.map(|dep| &dep.pkg).collect())
        })
        .collect();
    let mut faults = Vec::new();
    for member in &metadata.workspace_members {
        let name = names.get(member).copied().unwrap_or_default();
        let reached = reach(member, &normal);
        let reached: HashSet<&str> = reached.iter().filter_map(|id| names.get(id).copied()).collect();
        for (dependency, packages) in UNREACHABLE {
            if packages.contains(&name) && reached.contains(dependency) {
                faults.push(format!("{name} reaches {dependency}, which it must not"));
            }
        }
        let direct: HashSet<&str> = normal[member].iter().filter_map(|id| names.get(id).copied()).collect();
        for (dependency, allowed) in ONLY {
            if direct.contains(dependency) && !allowed.contains(&name) {
                faults.push(format!("{name} names {dependency}; only {} may", allowed.join(", ")));
            }
        }
    }
    Ok(faults)
}

fn reach<'a>(
    from: &'a PackageId,
    edges: &HashMap<&'a PackageId, Vec<&'a PackageId>>,
) -> HashSet<&'a PackageId> {
    let (mut seen, mut open) = (HashSet::new(), vec![from]);
    while let Some(id) = open.pop() {
        for &next in edges.get(id).into_iter().flatten() {
            if seen.insert(next) {
                open.push(next);
            }
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph() -> Metadata {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
        MetadataCommand::new().manifest_path(manifest).exec().unwrap()
    }

    #[test]
    fn the_tables_name_packages_that_exist() {
        let metadata = graph();
        let known: HashSet<&str> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
        for (dependency, packages) in UNREACHABLE.iter().chain(ONLY) {
            for name in packages.iter().chain([dependency]) {
                assert!(known.contains(name), "{name}");
            }
        }
    }

    #[test]
    fn what_is_reached_is_found_across_several_edges() {
        let metadata = graph();
        let id = |name: &str| &metadata.packages.iter().find(|package| package.name == name).unwrap().id;
        let resolve = metadata.resolve.as_ref().unwrap();
        let edges = resolve.nodes.iter().map(|node| (&node.id, node.dependencies.iter().collect())).collect();
        assert!(reach(id("fondue-language"), &edges).contains(id("torch-sys")));
        assert!(!reach(id("fondue-domain"), &edges).contains(id("torch-sys")));
    }
}
