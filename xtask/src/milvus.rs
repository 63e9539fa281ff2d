//! Has a Milvus server for the tests ready: `milvus-lite` and what it stands on, from PyPI into a folder of the user's cache,
//! whole or not at all, linked as `.milvus-lite`. Tests run it as `PYTHONPATH=.milvus-lite python3 -m milvus_lite`.

use std::{fs, os::unix::fs::symlink, path::Path, process::Command};

use anyhow::{Context, Result, ensure};

use crate::libtorch::cache_folder;

/// The server, the package that it takes its wire from, and what they stand on.
const PACKAGES: [&str; 19] = [
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

/// Installs it unless it is there, and links `.milvus-lite` in the project to it.
pub(crate) fn set_up(root: &Path) -> Result<()> {
    let cache = cache_folder()?;
    fs::create_dir_all(&cache)?;
    let lock = fs::File::create(cache.join("milvus-lite.lock"))?;
    lock.lock().context("waiting for another set-up")?;
    let home = cache.join("milvus-lite-3.2.2-packages");
    if !home.join("COMPLETE").exists() {
        // Beside, and renamed when it is whole. A folder, not an environment: those need more than pip.
        let partial = cache.join("milvus-lite.partial");
        let _ = fs::remove_dir_all(&partial);
        println!("Installing milvus-lite into {} (about 450 MB, once) …", home.display());
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary=:all:"]);
        call(pip.args(["--no-deps", "--target"]).arg(&partial).args(PACKAGES)).context(
            "milvus-lite could not be installed; the Milvus tests need it, and Python 3.11 or later",
        )?;
        fs::write(partial.join("COMPLETE"), PACKAGES.join("\n"))?;
        let _ = fs::remove_dir_all(&home);
        fs::rename(&partial, &home)?;
    }
    let link = root.join(".milvus-lite");
    if fs::read_link(&link).ok().as_deref() != Some(&home) {
        match fs::remove_file(&link) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => symlink(&home, &link).context("linking .milvus-lite")?,
        }
    }
    Ok(())
}

fn call(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{command:?} could not be started"))?;
    ensure!(status.success(), "{command:?} failed ({status})");
    Ok(())
}
