//! `cargo xtask monitoring`: the dashboard and the alarms of `k8s/components/monitoring`, asked of a real Prometheus that scrapes
//! the real services while turns run.
//!
//! promtool lints the servers' metrics and the rules, and runs the rules' own tests (`alarms.test.yaml`). Then every expression of
//! every panel must be understood, name only metrics that are there, and give numbers; every alarm's must be understood, name
//! only metrics that are there, and not ring.

mod dashboard;
mod prometheus;
mod traffic;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use self::{
    dashboard::{Panel, panels},
    prometheus::{Prometheus, Tools},
};
use crate::{k8s, services::Services};

/// What is rendered, with the dashboard and the alarms in it.
const OVERLAY: &str = "overlays/prod";
/// The tests of the alarms.
const TESTS: &str = "k8s/components/monitoring/alarms.test.yaml";
/// Over how long rates are taken; Grafana would tell.
const WINDOW: &str = "15s";
/// Series of one server at most: labels are bounded.
const MAX_SERIES: usize = 3000;

/// Checks all of it.
pub(crate) fn check(root: &Path) -> Result<()> {
    let services = Services::start(root)?;
    with(root, &services)
}

/// The same with services that run already.
pub(crate) fn with(root: &Path, services: &Services) -> Result<()> {
    let tools = Tools::set_up()?;
    let objects = k8s::rendered(root, OVERLAY)?;
    let folder = root.join(".fondue/monitoring");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    let rules = rules(&objects)?;
    fs::write(folder.join("rules.json"), rules.to_string())?;
    fs::copy(root.join(TESTS), folder.join("alarms.test.yaml")).context(TESTS)?;
    tools.check_rules(&folder)?;
    let panels = panels(&objects)?;
    println!("monitoring: {} alarms and their tests, {} panels", alarms(&rules).count(), panels.len());

    let prometheus = Prometheus::start(&tools, &folder, services.all())?;
    traffic::run(root, services)?;
    prometheus.settle(Duration::from_secs(3));
    let mut faults = Vec::new();
    for (name, address) in services.all() {
        let text = prometheus::get(&format!("{address}/metrics"))?;
        faults.extend(tools.lint(&text)?.into_iter().map(|fault| format!("{name}: {fault}")));
        faults.extend(lacks(&text).into_iter().map(|fault| format!("{name}: {fault}")));
    }
    faults.extend(panel_faults(&prometheus, &panels)?);
    faults.extend(alarm_faults(&prometheus, &rules)?);
    ensure!(faults.is_empty(), "monitoring is not right:\n{}", faults.join("\n"));
    println!("monitoring: every panel has numbers, every alarm is quiet");
    Ok(())
}

/// The rules, as Prometheus reads them.
fn rules(objects: &[Value]) -> Result<Value> {
    let mut rules = objects.iter().filter(|object| object["kind"] == "PrometheusRule");
    Ok(rules.next().context("no PrometheusRule is rendered")?["spec"].clone())
}

fn alarms(rules: &Value) -> impl Iterator<Item = (&str, &str)> {
    let groups = rules["groups"].as_array().into_iter().flatten();
    let all = groups.flat_map(|group| group["rules"].as_array().into_iter().flatten());
    all.filter_map(|rule| Some((rule["alert"].as_str()?, rule["expr"].as_str()?)))
}

/// What metrics' text lacks beside what promtool sees.
fn lacks(text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let told: BTreeSet<_> = lines(text, "# HELP ").collect();
    let typed: BTreeSet<_> = lines(text, "# TYPE ").collect();
    faults.extend(typed.difference(&told).map(|name| format!("{name} has no help")));
    let series = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).count();
    if series > MAX_SERIES {
        faults.push(format!("{series} series; labels are to be bounded"));
    }
    faults
}

fn lines<'a>(text: &'a str, start: &'a str) -> impl Iterator<Item = &'a str> {
    text.lines().filter_map(move |line| line.strip_prefix(start)?.split(' ').next())
}

fn panel_faults(prometheus: &Prometheus, panels: &[Panel]) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    for Panel { title, expressions } in panels {
        for expression in expressions {
            let expression = dashboard::filled(expression, WINDOW);
            let fault = |why: String| format!("panel `{title}`: {why}: {expression}");
            match prometheus.query(&expression)? {
                Err(error) => faults.push(fault(error)),
                Ok(values) if !values.iter().any(|value| value.is_finite()) => {
                    faults.push(fault(format!("no numbers, but {values:?}")));
                }
                Ok(_) => {}
            }
            faults.extend(unknown(prometheus, &expression)?.into_iter().map(fault));
        }
    }
    Ok(faults)
}

fn alarm_faults(prometheus: &Prometheus, rules: &Value) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    for (name, expression) in alarms(rules) {
        let fault = |why: String| format!("alarm {name}: {why}: {expression}");
        match prometheus.query(expression)? {
            Err(error) => faults.push(fault(error)),
            Ok(values) if !values.is_empty() => faults.push(fault(format!("it rings: {values:?}"))),
            Ok(_) => {}
        }
        faults.extend(unknown(prometheus, expression)?.into_iter().map(fault));
    }
    let health = prometheus.rules()?;
    let of = |(name, health): (String, String)| (health != "ok").then(|| format!("alarm {name} is {health}"));
    faults.extend(health.into_iter().filter_map(of));
    Ok(faults)
}

/// Metrics that an expression names and nobody tells.
fn unknown(prometheus: &Prometheus, expression: &str) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    for name in names(expression) {
        let found = prometheus.query(&format!("count({{__name__=\"{name}\"}})"))?;
        if found.is_ok_and(|values| values.is_empty()) {
            faults.push(format!("nobody tells {name}"));
        }
    }
    Ok(faults)
}

/// The metrics in an expression.
fn names(expression: &str) -> BTreeSet<&str> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words
        .filter(|word| word.starts_with("fondue_") || word.starts_with("process_") || *word == "up")
        .collect()
}

/// Services by their names.
type Addresses = BTreeMap<String, String>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_found_in_expressions_and_their_help_is_missed() {
        let expression = "sum by (job) (rate(fondue_rpc_total{code=\"OK\"}[5m])) / process_max_fds > 0";
        assert_eq!(names(expression), BTreeSet::from(["fondue_rpc_total", "process_max_fds"]));
        let text = "# HELP a_total A\n# TYPE a_total counter\na_total 1\n\n# TYPE b gauge\nb 1\n";
        assert_eq!(lacks(text), ["b has no help"]);
        assert_eq!(lacks(&"x 1\n".repeat(MAX_SERIES + 1)).len(), 1);
    }

    #[test]
    fn alarms_are_those_of_all_groups() {
        let rules = serde_json::json!({ "groups": [
            { "rules": [{ "alert": "A", "expr": "up == 0" }, { "record": "x", "expr": "up" }] },
            { "rules": [{ "alert": "B", "expr": "b > 1" }] },
        ] });
        assert_eq!(alarms(&rules).collect::<Vec<_>>(), [("A", "up == 0"), ("B", "b > 1")]);
    }
}
