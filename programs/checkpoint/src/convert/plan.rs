//! What is written where: names, types, places in which file.

use fondue_model::{
    mapping, opt, vision,
    weights::{Found, StoredDtype, Survey},
};

use super::dtype::Target;
use crate::parts::Kind;

/// A tensor to write.
pub(crate) struct Piece {
    /// The name that it gets.
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) dtype: StoredDtype,
    pub(crate) bytes: u64,
    /// Where it comes from.
    pub(crate) found: Found,
}

/// Files to write.
pub(crate) struct Plan {
    /// Name of a whole file, without its extension.
    pub(crate) stem: &'static str,
    /// Each shard's tensors, in the order in which they lie in it; one shard is a whole file.
    pub(crate) shards: Vec<Vec<Piece>>,
}

/// Lays the tensors of a part out, in shards of at most `shard_bytes` each, or of one larger tensor.
pub(crate) fn plan(kind: Kind, survey: &Survey, target: Target, shard_bytes: u64) -> Plan {
    let mut shards: Vec<Vec<Piece>> = vec![Vec::new()];
    let mut filled = 0u64;
    for found in &survey.found {
        let piece = piece(kind, found, target);
        if filled > 0 && filled.saturating_add(piece.bytes) > shard_bytes {
            shards.push(Vec::new());
            filled = 0;
        }
        filled = filled.saturating_add(piece.bytes);
        if let Some(shard) = shards.last_mut() {
            shard.push(piece);
        }
    }
    for shard in &mut shards {
        // Wider types first, so that every tensor is aligned to its elements.
        shard.sort_by_key(|piece| std::cmp::Reverse(size(piece.dtype)));
    }
    Plan { stem: if kind == Kind::Fromage { "mapping" } else { "model" }, shards }
}

fn piece(kind: Kind, found: &Found, target: Target) -> Piece {
    let mut shape: Vec<usize> = found.shape().iter().map(|&n| n as usize).collect();
    let name = match kind {
        Kind::Opt => format!("{}{}", opt::PREFIX, found.name),
        Kind::Clip => format!("{}{}", vision::PREFIX, found.name),
        // The row of [RET], alone or out of the trainer's table, as a matrix of one row.
        Kind::Fromage if [mapping::RET_ROW, mapping::TABLE].contains(&found.name.as_str()) => {
            shape = vec![1, shape.last().copied().unwrap_or_default()];
            mapping::RET_ROW.to_owned()
        }
        Kind::Fromage => found.name.clone(),
    };
    let dtype = target.of(found.stored.dtype);
    Piece { name, shape, dtype, bytes: found.elements() * size(dtype), found: found.clone() }
}

fn size(dtype: StoredDtype) -> u64 {
    match dtype {
        StoredDtype::F64 => 8,
        StoredDtype::F32 => 4,
        StoredDtype::F16 | StoredDtype::Bf16 => 2,
        // No weight is of another type.
        StoredDtype::Other(_) => 0,
    }
}
