//! The planes of samples while scans come in.

use super::frame::{Component, Frame};
use super::idct;

/// The samples of one component.
pub(super) struct Plane {
    /// Columns and rows that belong to the picture.
    pub(super) width: usize,
    pub(super) height: usize,
    /// Length of a row in `samples`: whole blocks.
    stride: usize,
    samples: Vec<u8>,
}

impl Plane {
    /// Row `y`, without the filling of its last block.
    pub(super) fn row(&self, y: usize) -> &[u8] {
        &self.samples[y * self.stride..][..self.width]
    }
}

/// A component while scans come in.
pub(super) struct Layer {
    pub(super) plane: Plane,
    /// Blocks that belong to the picture, across and down: what a scan of this component alone has.
    pub(super) own: (usize, usize),
    /// Blocks in a row of the plane.
    pub(super) blocks_across: usize,
    /// Blocks in a group, across and down.
    pub(super) group: (usize, usize),
    /// Only of progressive files, in rows of blocks.
    pub(super) coefficients: Vec<[i16; 64]>,
    pub(super) has_ac: Vec<bool>,
    pub(super) steps: [u16; 64],
    /// The last DC value.
    pub(super) predicted: i32,
}

impl Layer {
    pub(super) fn new(frame: &Frame, component: &Component) -> Self {
        let (across, down) = frame.largest();
        let (width, height) = frame.extent(component);
        let group = (component.horizontal as usize, component.vertical as usize);
        let blocks_across = (frame.width.div_ceil(across * 8) * component.horizontal) as usize;
        let blocks_down = (frame.height.div_ceil(down * 8) * component.vertical) as usize;
        let stride = blocks_across * 8;
        let kept = if frame.progressive { blocks_across * blocks_down } else { 0 };
        Self {
            // 128 is what a block without data shows.
            plane: Plane { width, height, stride, samples: vec![128; stride * blocks_down * 8] },
            own: (width.div_ceil(8), height.div_ceil(8)),
            blocks_across,
            group,
            coefficients: vec![[0; 64]; kept],
            has_ac: vec![false; kept],
            steps: component.steps.unwrap_or([0; 64]),
            predicted: 0,
        }
    }

    /// Writes a block's samples; `column` and `row` count blocks.
    pub(super) fn show(&mut self, column: usize, row: usize, coefficients: &[i16; 64]) {
        let first = row * 8 * self.plane.stride + column * 8;
        idct::block(coefficients, &self.steps, &mut self.plane.samples[first..], self.plane.stride);
    }
}
