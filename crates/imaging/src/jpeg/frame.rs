//! What the frame and scan headers say.

/// From the order of the file to rows.
pub(super) const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7,
    14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39,
    46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// A colour channel of the frame.
#[derive(Clone)]
pub(super) struct Component {
    pub(super) id: u8,
    /// Sampling factors, 1 … 4.
    pub(super) horizontal: u32,
    pub(super) vertical: u32,
    pub(super) quantiser: usize,
    /// The quantisation table as it was at the component's first scan, in rows.
    pub(super) steps: Option<[u16; 64]>,
}

/// The frame header.
pub(super) struct Frame {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) progressive: bool,
    pub(super) components: Vec<Component>,
}

impl Frame {
    /// The largest sampling factors.
    pub(super) fn largest(&self) -> (u32, u32) {
        let across = self.components.iter().map(|component| component.horizontal).max();
        let down = self.components.iter().map(|component| component.vertical).max();
        (across.unwrap_or(1), down.unwrap_or(1))
    }

    /// Samples of `component` that belong to the picture, across and down.
    pub(super) fn extent(&self, component: &Component) -> (usize, usize) {
        let (across, down) = self.largest();
        let width = (self.width * component.horizontal).div_ceil(across);
        (width as usize, (self.height * component.vertical).div_ceil(down) as usize)
    }
}

/// A scan header.
pub(super) struct Scan {
    /// Index of the component, of its DC table, of its AC table.
    pub(super) parts: Vec<(usize, usize, usize)>,
    /// First and last coefficient.
    pub(super) first: usize,
    pub(super) last: usize,
    /// Bit position before and after (successive approximation).
    pub(super) high: u32,
    pub(super) low: u32,
}
