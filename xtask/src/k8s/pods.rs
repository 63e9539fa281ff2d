//! Rules that every pod keeps: no rights that it does not need, probes that its server answers, time enough to stop.

use serde_json::Value;

use super::{Known, containers, name, pod, settings};

/// What a container must say of itself, as a path within it and a value.
const TIGHT: [(&str, &str); 3] = [
    ("/securityContext/allowPrivilegeEscalation", "false"),
    ("/securityContext/readOnlyRootFilesystem", "true"),
    ("/securityContext/capabilities/drop", r#"["ALL"]"#),
];

/// What a pod must say of itself.
const SAFE: [(&str, &str); 3] = [
    ("/automountServiceAccountToken", "false"),
    ("/securityContext/runAsNonRoot", "true"),
    ("/securityContext/seccompProfile/type", r#""RuntimeDefault""#),
];

/// What is wrong with the pods.
pub(super) fn faults(objects: &[Value], known: &Known) -> Vec<String> {
    let mut faults = Vec::new();
    for object in objects {
        let Some(pod) = pod(object) else { continue };
        let mut told = lacking(pod, &SAFE);
        for container in containers(pod) {
            told.extend(lacking(container, &TIGHT));
            told.extend(image(container));
            told.extend(probes(container, known));
            told.extend(time(pod, container, objects));
            if container.pointer("/resources/limits/memory").is_none() {
                told.push("a container has no limit of memory".to_owned());
            }
        }
        faults.extend(told.into_iter().map(|fault| format!("{}: {fault}", name(object))));
    }
    faults
}

fn lacking(value: &Value, rules: &[(&str, &str)]) -> Vec<String> {
    let got = |path: &str| value.pointer(path).map(Value::to_string);
    let broken = rules.iter().filter(|(path, wanted)| got(path).as_deref() != Some(*wanted));
    broken.map(|(path, wanted)| format!("{path} is not {wanted}")).collect()
}

/// An image is of a version; ours are of this one.
fn image(container: &Value) -> Option<String> {
    let image = container["image"].as_str().unwrap_or_default();
    let tag = image.rsplit_once(':').map(|(_, tag)| tag);
    let version = env!("CARGO_PKG_VERSION");
    match tag {
        None | Some("latest") => Some(format!("image `{image}` has no version")),
        Some(tag) if image.starts_with("fondue-") && tag.split('-').next() != Some(version) => {
            Some(format!("image `{image}` is not of version {version}"))
        }
        Some(_) => None,
    }
}

/// Probes by gRPC ask a port that is open for a name that a server has.
fn probes(container: &Value, known: &Known) -> Vec<String> {
    let mut faults = Vec::new();
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        let grpc = &container[probe]["grpc"];
        if grpc.is_null() {
            continue;
        }
        let mut ports = container["ports"].as_array().into_iter().flatten();
        if !ports.any(|port| port["containerPort"] == grpc["port"]) {
            faults.push(format!("{probe} asks a port that is not open"));
        }
        let service = grpc["service"].as_str().unwrap_or_default();
        if !known.sources.contains(&format!("\"{service}\"")) {
            faults.push(format!("{probe}: no server has a service `{service}`"));
        }
    }
    faults
}

/// The pause before the signal and the drain after it end before the pod is killed.
fn time(pod: &Value, container: &Value, objects: &[Value]) -> Option<String> {
    let drain = settings::drain_seconds(pod, container, objects)?;
    let pause = container.pointer("/lifecycle/preStop/sleep/seconds").and_then(Value::as_f64).unwrap_or(0.0);
    let grace = pod["terminationGracePeriodSeconds"].as_f64().unwrap_or(30.0);
    (grace < pause + drain).then(|| format!("is killed after {grace} s, stops after {}", pause + drain))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn known() -> Known {
        let sources = "Readiness::new(&[\"fondue.vision.v1.Vision\"])".to_owned();
        Known { sources, configuration: String::new(), commands: String::new() }
    }

    fn good() -> Value {
        let tight = json!({
            "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": { "drop": ["ALL"] },
        });
        let container = json!({
            "image": concat!("fondue-torch:", env!("CARGO_PKG_VERSION"), "-cuda"),
            "securityContext": tight,
            "ports": [{ "containerPort": 7401 }],
            "readinessProbe": { "grpc": { "port": 7401, "service": "fondue.vision.v1.Vision" } },
            "resources": { "limits": { "memory": "1Gi" } },
        });
        let safe = json!({ "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } });
        let spec = json!({
            "automountServiceAccountToken": false, "securityContext": safe, "containers": [container],
        });
        json!({ "kind": "Pod", "metadata": { "name": "x" }, "spec": spec })
    }

    #[test]
    fn each_rule_is_missed_by_itself() {
        assert_eq!(faults(&[good()], &known()), [""; 0]);
        let bad = [
            ("/spec/automountServiceAccountToken", json!(true)),
            ("/spec/securityContext/runAsNonRoot", json!(false)),
            ("/spec/containers/0/securityContext/readOnlyRootFilesystem", json!(false)),
            ("/spec/containers/0/image", json!("fondue-torch:0.0.9")),
            ("/spec/containers/0/image", json!("collector")),
            ("/spec/containers/0/ports/0/containerPort", json!(7402)),
            ("/spec/containers/0/readinessProbe/grpc/service", json!("fondue.vision.v2.Vision")),
            ("/spec/containers/0/resources/limits", json!({})),
        ];
        for (path, value) in bad {
            let mut pod = good();
            *pod.pointer_mut(path).unwrap() = value;
            assert_eq!(faults(&[pod], &known()).len(), 1, "{path}");
        }
    }
}
