//! Metrics that manifests ask for: each must be one that a server tells of.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Known, name};

/// What Prometheus makes of a histogram.
const PARTS: [&str; 3] = ["_bucket", "_sum", "_count"];

/// Metrics of ours that no source names.
pub(super) fn faults(objects: &[Value], known: &Known) -> Vec<String> {
    let mut faults = Vec::new();
    for object in objects.iter().filter(|object| asks(object)) {
        let mut named = BTreeSet::new();
        ["spec", "data"].iter().for_each(|part| gather(&object[part], &mut named));
        let unknown = named.iter().filter(|metric| !is_told(metric, &known.sources));
        faults.extend(unknown.map(|metric| format!("{}: no server tells `{metric}`", name(object))));
    }
    faults
}

fn asks(object: &Value) -> bool {
    matches!(object["kind"].as_str(), Some("ScaledObject" | "PrometheusRule"))
        || object["metadata"]["labels"]["grafana_dashboard"] == "1"
}

fn is_told(metric: &str, sources: &str) -> bool {
    let whole = PARTS.iter().find_map(|part| metric.strip_suffix(part));
    [Some(metric), whole].into_iter().flatten().any(|name| sources.contains(&format!("\"{name}\"")))
}

/// All words that begin as our metrics do, in all texts.
fn gather(value: &Value, named: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => {
            let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            named.extend(words.filter(|word| word.starts_with("fondue_")).map(str::to_owned));
        }
        Value::Array(items) => items.iter().for_each(|item| gather(item, named)),
        Value::Object(fields) => fields.values().for_each(|field| gather(field, named)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_metric_is_one_of_the_sources_or_a_part_of_its_histogram() {
        let sources = "gauge!(\"fondue_language_queued\"); histogram!(\"fondue_rpc_seconds\");".to_owned();
        let known = Known { sources, configuration: String::new(), commands: String::new() };
        let asking = |query: &str| {
            let metadata = json!({ "name": "x" });
            vec![
                json!({ "kind": "ScaledObject", "metadata": metadata, "spec": { "triggers": [{ "query": query }] } }),
            ]
        };
        assert_eq!(faults(&asking("sum(fondue_language_queued{namespace=\"fondue\"})"), &known), [""; 0]);
        assert_eq!(faults(&asking("rate(fondue_rpc_seconds_bucket[1m])"), &known), [""; 0]);
        let told = faults(&asking("fondue_language_queue + fondue_language_queued"), &known);
        assert_eq!(told, ["ScaledObject/x: no server tells `fondue_language_queue`"]);
    }
}
