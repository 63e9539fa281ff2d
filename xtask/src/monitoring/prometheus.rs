//! Prometheus and promtool: the system's, or Debian's package, unpacked into the user's cache and installed nowhere.

use std::{
    fs,
    io::Write,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::Addresses;
use crate::{cache, run};

/// Until it answers.
const PATIENCE: Duration = Duration::from_secs(60);

/// The two programs.
pub(super) struct Tools {
    bin: PathBuf,
}

impl Tools {
    /// Fetches them unless they are there.
    pub(super) fn set_up() -> Result<Self> {
        let system = PathBuf::from("/usr/bin");
        if ["prometheus", "promtool"].iter().all(|name| system.join(name).exists()) {
            return Ok(Self { bin: system });
        }
        let (cache, _alone) = cache::alone("prometheus")?;
        let home = cache.join("prometheus-debian");
        let bin = home.join("usr/bin");
        if !bin.join("promtool").exists() {
            let partial = cache.join("prometheus.partial");
            let _ = fs::remove_dir_all(&partial);
            fs::create_dir_all(&partial)?;
            println!("Fetching Debian's package of Prometheus (about 20 MB, once) …");
            fetch(&partial).context(
                "the alarms are tested with Prometheus: install it (on Debian `apt-get install prometheus`)",
            )?;
            let _ = fs::remove_dir_all(&home);
            fs::rename(partial.join("unpacked"), &home)?;
            fs::remove_dir_all(&partial)?;
        }
        Ok(Self { bin })
    }

    fn promtool(&self) -> Command {
        Command::new(self.bin.join("promtool"))
    }

    /// Checks `rules.json` of a folder, and runs `alarms.test.yaml`.
    pub(super) fn check_rules(&self, folder: &Path) -> Result<()> {
        for words in [["check", "rules", "rules.json"], ["test", "rules", "alarms.test.yaml"]] {
            run::call(self.promtool().args(words).current_dir(folder))?;
        }
        Ok(())
    }

    /// What promtool finds wrong with the text of metrics.
    pub(super) fn lint(&self, text: &str) -> Result<Vec<String>> {
        let mut lint = self.promtool();
        lint.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut lint = lint.spawn()?;
        lint.stdin.take().context("no stdin")?.write_all(text.as_bytes())?;
        let said = lint.wait_with_output()?;
        let lines = [said.stdout, said.stderr].concat();
        Ok(String::from_utf8_lossy(&lines).lines().map(str::to_owned).collect())
    }
}

fn fetch(folder: &Path) -> Result<()> {
    let download =
        || run::call(Command::new("apt-get").args(["download", "-qq", "prometheus"]).current_dir(folder));
    if download().is_err() {
        // The lists may be missing or old.
        run::call(Command::new("apt-get").args(["update", "-qq"]))?;
        download()?;
    }
    let packages = fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path()));
    let package = packages.into_iter().find(|path| path.extension().is_some_and(|end| end == "deb"));
    let package = package.context("no package was fetched")?;
    run::call(Command::new("dpkg-deb").arg("-x").arg(package).arg(folder.join("unpacked")))
}

/// A running Prometheus; it ends when this is dropped.
pub(super) struct Prometheus {
    url: String,
    child: Child,
}

impl Prometheus {
    /// Scrapes `services` every second.
    pub(super) fn start(tools: &Tools, folder: &Path, services: &Addresses) -> Result<Self> {
        let jobs = services.iter().map(|(name, address)| {
            let target = address.trim_start_matches("http://");
            json!({
                "job_name": name,
                "static_configs": [{ "targets": [target], "labels": { "namespace": "test" } }],
            })
        });
        let config = json!({
            "global": { "scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s" },
            "rule_files": ["rules.json"],
            "scrape_configs": jobs.collect::<Vec<_>>(),
        });
        fs::write(folder.join("prometheus.json"), config.to_string())?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let address = format!("127.0.0.1:{port}");
        let log = fs::File::create(folder.join("prometheus.log"))?;
        let mut prometheus = Command::new(tools.bin.join("prometheus"));
        prometheus.args(["--config.file=prometheus.json", "--storage.tsdb.path=data"]);
        prometheus.arg(format!("--web.listen-address={address}")).current_dir(folder);
        let child = prometheus.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn()?;
        let this = Self { url: format!("http://{address}"), child };
        let begun = Instant::now();
        while get(&format!("{}/-/ready", this.url)).is_err() {
            ensure!(
                begun.elapsed() < PATIENCE,
                "Prometheus is not ready; see .fondue/monitoring/prometheus.log"
            );
            thread::sleep(Duration::from_millis(100));
        }
        Ok(this)
    }

    /// Lets it scrape what has happened.
    pub(super) fn settle(&self, time: Duration) {
        thread::sleep(time);
    }

    /// The values that an expression has now, or why it has none.
    pub(super) fn query(&self, expression: &str) -> Result<Result<Vec<f64>, String>> {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--get", "--data-urlencode"]).arg(format!("query={expression}"));
        let told = json(curl.arg(format!("{}/api/v1/query", self.url)))?;
        if told["status"] != "success" {
            return Ok(Err(told["error"].as_str().unwrap_or("no reason").to_owned()));
        }
        let results = told["data"]["result"].as_array().into_iter().flatten();
        Ok(Ok(results.filter_map(|result| result["value"][1].as_str()?.parse().ok()).collect()))
    }

    /// The alarms that it has, and how they are.
    pub(super) fn rules(&self) -> Result<Vec<(String, String)>> {
        let told = json(Command::new("curl").arg("-sS").arg(format!("{}/api/v1/rules", self.url)))?;
        let groups = told["data"]["groups"].as_array().into_iter().flatten();
        let rules = groups.flat_map(|group| group["rules"].as_array().into_iter().flatten());
        let text = |value: &Value| value.as_str().unwrap_or("unknown").to_owned();
        let rules: Vec<_> = rules.map(|rule| (text(&rule["name"]), text(&rule["health"]))).collect();
        ensure!(!rules.is_empty(), "Prometheus has no rules");
        Ok(rules)
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn json(curl: &mut Command) -> Result<Value> {
    let output = curl.output().context("curl could not be started")?;
    ensure!(output.status.success(), "{curl:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// What an address answers.
pub(super) fn get(url: &str) -> Result<String> {
    let output =
        Command::new("curl").args(["-sS", "--fail", url]).output().context("curl could not be started")?;
    if !output.status.success() {
        bail!("{url}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}
