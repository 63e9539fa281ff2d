//! Whether a pass may be run: sizes agree, and no two sequences write where another reads.

use super::Sequences;
use crate::{
    attention::POSITIONS,
    buffers::{BufferId, Buffers},
    ops::Op,
};

/// A pass that cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PassError {
    /// A step names a matrix that is not there, or of another width.
    #[error("step {step}: matrix {id} is {got:?} wide, {expected} were expected")]
    Width {
        /// Which step, from 0.
        step: usize,
        /// Which matrix.
        id: BufferId,
        /// Its width, if it is there.
        got: Option<usize>,
        /// What the step needs.
        expected: usize,
    },
    /// A step reads what it writes.
    #[error("step {step} reads and writes matrix {id}")]
    SameBuffer {
        /// Which step, from 0.
        step: usize,
        /// Which matrix.
        id: BufferId,
    },
    /// Heads, layers or rows do not go together.
    #[error("step {step}: {what}")]
    Shape {
        /// Which step, from 0.
        step: usize,
        /// What does not fit.
        what: &'static str,
    },
    /// The sequences' blocks do not fit.
    #[error("sequence {sequence}: {what}")]
    Sequence {
        /// Which sequence, from 0.
        sequence: usize,
        /// What does not fit.
        what: &'static str,
    },
}

pub(super) fn check(
    buffers: &Buffers,
    sequences: Option<&Sequences<'_>>,
    ops: &[Op<'_>],
) -> Result<(), PassError> {
    for (step, op) in ops.iter().enumerate() {
        let width = |id: BufferId, expected: usize| {
            let got = buffers.columns(id);
            if got == Some(expected) { Ok(()) } else { Err(PassError::Width { step, id, got, expected }) }
        };
        let apart = |from: BufferId, to: BufferId| {
            if from == to { Err(PassError::SameBuffer { step, id: to }) } else { Ok(()) }
        };
        let fits = |fits: bool, what| if fits { Ok(()) } else { Err(PassError::Shape { step, what }) };
        match *op {
            Op::Norm { from, to, norm } => {
                width(from, norm.width())?;
                width(to, norm.width())?;
            }
            Op::Product { from, to, matrix, .. } => {
                apart(from, to)?;
                width(from, matrix.inputs())?;
                width(to, matrix.outputs())?;
                fits(matrix.inputs() > 0, "a matrix without inputs")?;
            }
            Op::Attend { from, to, layer } => {
                let Some(Sequences { kv, .. }) = sequences else {
                    return Err(PassError::Shape { step, what: "there are no sequences" });
                };
                let all = kv.heads() * kv.head.dim;
                apart(from, to)?;
                width(from, 3 * all)?;
                width(to, all)?;
                fits(layer < kv.layers(), "there is no such layer")?;
            }
            Op::AttendAmong { from, to, heads, rows, queries } => {
                let all = buffers.columns(from).unwrap_or(0) / 3;
                apart(from, to)?;
                width(from, 3 * all)?;
                width(to, all)?;
                fits(heads > 0 && all.is_multiple_of(heads), "heads do not divide the width")?;
                fits(rows > 0 && buffers.rows().is_multiple_of(rows), "groups do not divide the rows")?;
                fits((1..=rows).contains(&queries), "a group has not as many queries")?;
            }
        }
    }
    sequences.map_or(Ok(()), |sequences| check_sequences(buffers, sequences))
}

/// Every sequence has its blocks, and none that another one writes to: this is what makes it sound to run them at once.
fn check_sequences(buffers: &Buffers, Sequences { kv, spans }: &Sequences<'_>) -> Result<(), PassError> {
    let error = |sequence, what| Err(PassError::Sequence { sequence, what });
    let mut written = vec![false; kv.blocks()];
    let mut rows = 0usize;
    for (n, span) in spans.iter().enumerate() {
        // As many as no slice has blocks for, rather than a sum that begins again at 0.
        let end = span.start.saturating_add(span.rows);
        let (used, first) = (end.div_ceil(POSITIONS), span.start / POSITIONS);
        rows = rows.saturating_add(span.rows);
        if span.rows == 0 || span.blocks.len() < used {
            return error(n, "it has no rows, or too few blocks for its positions");
        }
        for (at, &block) in span.blocks[..used].iter().enumerate() {
            match written.get_mut(block as usize) {
                None => return error(n, "it has a block that is not there"),
                Some(written) if at >= first => {
                    if std::mem::replace(written, true) {
                        return error(n, "it writes to a block that is already written to");
                    }
                }
                Some(_) => {}
            }
        }
    }
    for (n, span) in spans.iter().enumerate() {
        let before = &span.blocks[..span.start / POSITIONS];
        if before.iter().any(|&block| written[block as usize]) {
            return error(n, "it reads a block that is written to at the same time");
        }
    }
    if rows != buffers.rows() {
        return error(spans.len(), "the sequences' rows are not those of the matrices");
    }
    Ok(())
}
