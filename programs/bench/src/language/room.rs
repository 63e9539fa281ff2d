//! Which systems are in memory at once: all, if they find room, else those that are equally precise.

use anyhow::{Result, bail};

use crate::{
    machine,
    plan::LanguagePlan,
    shape::Shape,
    systems::{Peer, Weights},
};

/// Bytes that a Python with its libraries takes beside the model.
const PEER_BYTES: f64 = 700e6;
/// Bytes that a service takes beside weights, keys and values.
const SERVICE_BYTES: f64 = 300e6;

/// Systems that take turns.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Group {
    pub(crate) weights: Vec<Weights>,
    pub(crate) peers: Vec<Peer>,
}

/// Bytes for keys and values of each of ours.
pub(super) fn kv_bytes(plan: &LanguagePlan, shape: Shape) -> u64 {
    plan.kv_bytes.unwrap_or((shape.sizes().kv_bytes() * plan.cell_positions()) as u64)
}

/// The groups, one after the other.
///
/// # Errors
/// If one finds no room: says how to measure it all the same.
pub(crate) fn groups(plan: &LanguagePlan, shape: Shape) -> Result<Vec<Group>> {
    divided(plan, shape, machine::available().unwrap_or(f64::INFINITY))
}

fn divided(plan: &LanguagePlan, shape: Shape, available: f64) -> Result<Vec<Group>> {
    let whole = Group { weights: plan.weights.clone(), peers: plan.peers.clone() };
    if needed(plan, shape, &whole) < available {
        return Ok(vec![whole]);
    }
    let mut groups: Vec<Group> = Vec::new();
    for &weights in &plan.weights {
        groups.push(Group { weights: vec![weights], peers: Vec::new() });
    }
    for &peer in &plan.peers {
        match groups.iter_mut().find(|group| group.weights.contains(&peer.equal())) {
            Some(group) => group.peers.push(peer),
            None => groups.push(Group { weights: Vec::new(), peers: vec![peer] }),
        }
    }
    let most = groups.iter().map(|group| needed(plan, shape, group)).fold(0.0, f64::max);
    if most < available {
        return Ok(groups);
    }
    let gibibytes = |bytes: f64| bytes / f64::from(1 << 30);
    bail!(
        "OPT-{}: systems that take turns need {:.1} GiB of memory, {:.1} are free. Measure smaller cells (--prompt, \
         --dialogues), fewer --peers or --weights at once, or set --kv-bytes",
        shape.name(),
        gibibytes(most),
        gibibytes(available),
    )
}

/// Bytes that a group takes.
fn needed(plan: &LanguagePlan, shape: Shape, group: &Group) -> f64 {
    let (parameters, kv) = (shape.sizes().parameters() as f64, kv_bytes(plan, shape) as f64);
    let ours = group.weights.iter().map(|weights| parameters * weights.bytes() as f64 + kv + SERVICE_BYTES);
    let peers = group.peers.iter().map(|peer| {
        let cache = if *peer == Peer::Reference { 0.0 } else { kv };
        parameters * peer.equal().bytes() as f64 + cache + PEER_BYTES
    });
    ours.chain(peers).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};

    #[test]
    fn who_finds_no_room_together_runs_with_equals() {
        let words = ["b", "language", "--weights", "f32,bf16,int8", "--kv-bytes", "1000000000"];
        let Command::Language { common, language } =
            Cli::read(words.into_iter().map(Into::into)).unwrap().command
        else {
            panic!("another command")
        };
        let plan = LanguagePlan::new(&common, language);
        let all = |available| divided(&plan, Shape::M125, available);
        assert_eq!(all(20e9).unwrap(), [Group { weights: plan.weights.clone(), peers: plan.peers.clone() }]);
        let parted = all(8e9).unwrap();
        assert_eq!(parted[0].weights, [Weights::F32]);
        assert_eq!(parted[0].peers, [Peer::Reference, Peer::Transformers, Peer::Ctranslate2Float32]);
        assert_eq!(parted[1], Group { weights: vec![Weights::Bf16], peers: Vec::new() });
        assert_eq!(parted[2], Group { weights: vec![Weights::Int8], peers: vec![Peer::Ctranslate2Int8] });
        assert!(all(4e9).unwrap_err().to_string().contains("OPT-125m"));
    }
}
