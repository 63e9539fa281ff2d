//! Grafana's dashboard: what its panels ask, and whether it is one that people can look at.

use std::collections::HashSet;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// The label that Grafana's sidecar looks for.
const LABEL: &str = "grafana_dashboard";
/// Columns of the grid.
const COLUMNS: u64 = 24;

/// A panel that asks something.
#[derive(Debug, PartialEq)]
pub(super) struct Panel {
    pub(super) title: String,
    pub(super) expressions: Vec<String>,
}

/// The panels of all dashboards that are rendered.
pub(super) fn panels(objects: &[Value]) -> Result<Vec<Panel>> {
    let maps = objects.iter().filter(|object| object["metadata"]["labels"][LABEL] == "1");
    let files = maps.flat_map(|map| map["data"].as_object().into_iter().flatten());
    let mut panels = Vec::new();
    for (name, text) in files {
        let dashboard: Value =
            serde_json::from_str(text.as_str().unwrap_or_default()).context(name.clone())?;
        panels.extend(read(&dashboard).with_context(|| name.clone())?);
    }
    ensure!(!panels.is_empty(), "no dashboard is rendered");
    Ok(panels)
}

/// The panels of one dashboard, which must lie beside each other and know what they are called.
fn read(dashboard: &Value) -> Result<Vec<Panel>> {
    let (mut ids, mut taken, mut panels) = (HashSet::new(), HashSet::new(), Vec::new());
    for panel in dashboard["panels"].as_array().context("no panels")? {
        let title =
            panel["title"].as_str().filter(|title| !title.is_empty()).context("a panel has no title")?;
        ensure!(ids.insert(panel["id"].as_u64()), "`{title}` has the id of another panel");
        let at =
            |key: &str| panel["gridPos"][key].as_u64().with_context(|| format!("`{title}` lies nowhere"));
        let (x, y, w, h) = (at("x")?, at("y")?, at("w")?, at("h")?);
        ensure!(w > 0 && h > 0 && x + w <= COLUMNS, "`{title}` lies beside the grid");
        let mut places = (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y)));
        ensure!(places.all(|place| taken.insert(place)), "`{title}` lies over another panel");
        if panel["type"] == "row" {
            continue;
        }
        let targets = panel["targets"].as_array().with_context(|| format!("`{title}` asks nothing"))?;
        let expressions: Option<Vec<_>> =
            targets.iter().map(|target| target["expr"].as_str().map(str::to_owned)).collect();
        let expressions = expressions.filter(|all| !all.is_empty());
        let expressions = expressions.with_context(|| format!("`{title}` asks nothing"))?;
        let source = |target: &Value| target["datasource"]["uid"] == "${datasource}";
        ensure!(targets.iter().all(source), "`{title}` asks another source than the one that is chosen");
        panels.push(Panel { title: title.to_owned(), expressions });
    }
    Ok(panels)
}

/// An expression with what Grafana puts into it.
pub(super) fn filled(expression: &str, window: &str) -> String {
    expression.replace("$__rate_interval", window).replace("$namespace", ".*")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn panel(id: u64, x: u64, expression: &str) -> Value {
        json!({
            "id": id, "title": "T", "type": "timeseries", "gridPos": { "x": x, "y": 0, "w": 12, "h": 8 },
            "targets": [{ "expr": expression, "datasource": { "uid": "${datasource}" } }],
        })
    }

    #[test]
    fn panels_lie_beside_each_other_and_ask() {
        let dashboard = json!({ "panels": [panel(1, 0, "a"), panel(2, 12, "b")] });
        assert_eq!(read(&dashboard).unwrap().len(), 2);
        for (wrong, why) in [
            (panel(1, 12, "b"), "the id"),
            (panel(2, 4, "b"), "over another"),
            (panel(2, 20, "b"), "beside the grid"),
            (
                json!({ "id": 2, "title": "T", "gridPos": { "x": 12, "y": 0, "w": 1, "h": 1 } }),
                "asks nothing",
            ),
        ] {
            let error = read(&json!({ "panels": [panel(1, 0, "a"), wrong] })).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        assert_eq!(filled("rate(a{n=~\"$namespace\"}[$__rate_interval])", "9s"), "rate(a{n=~\".*\"}[9s])");
    }
}
