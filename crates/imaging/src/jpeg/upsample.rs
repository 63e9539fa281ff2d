//! Chroma planes at the picture's size. Halved ones by the triangle filter (3/4 of the nearer sample, 1/4 of the
//! farther), whose rounding alternates so that it adds no bias; other factors, and planes of 1 or 2 columns, by
//! repetition: libjpeg's "fancy upsampling".

use super::layer::Plane;

/// Writes row `y` of the picture's size into `out`. `across`, `down`: how many times larger the picture is. `sums`
/// is only kept to be used again.
pub(super) fn row(
    plane: &Plane,
    (across, down): (usize, usize),
    y: usize,
    sums: &mut Vec<u16>,
    out: &mut [u8],
) {
    match (across, down) {
        (1, 1) => out.copy_from_slice(&plane.row(y)[..out.len()]),
        (2, 1) if plane.width > 2 => {
            sums.clear();
            sums.extend(plane.row(y).iter().map(|&value| u16::from(value)));
            spread(sums, [1, 2], 2, out);
        }
        (2, 2) if plane.width > 2 => {
            let (near, far) = neighbours(plane, y);
            sums.clear();
            sums.extend(near.iter().zip(far).map(|(&near, &far)| mix(near.into(), far.into(), 0)));
            spread(sums, [8, 7], 4, out);
        }
        (1, 2) => {
            let (near, far) = neighbours(plane, y);
            let bias = 1 + (y as u16 & 1);
            for ((out, &near), &far) in out.iter_mut().zip(near).zip(far) {
                *out = (mix(near.into(), far.into(), bias) >> 2) as u8;
            }
        }
        (across, down) => {
            for (pixels, &value) in out.chunks_mut(across).zip(plane.row(y / down)) {
                pixels.fill(value);
            }
        }
    }
}

/// The row that row `y` of twice the height lies in, and the next nearest; at the border the same again.
fn neighbours(plane: &Plane, y: usize) -> (&[u8], &[u8]) {
    let near = y / 2;
    let far = if y.is_multiple_of(2) { near.saturating_sub(1) } else { (near + 1).min(plane.height - 1) };
    (plane.row(near), plane.row(far))
}

/// `near` three times and `far` once. The largest sum is 16 * 255 + 8, so nothing wraps.
#[inline(always)]
fn mix(near: u16, far: u16, bias: u16) -> u16 {
    near.wrapping_mul(3).wrapping_add(far).wrapping_add(bias)
}

/// Doubles a row of at least 2 values: each becomes two, mixed with its left and its right neighbour. `bias`: what
/// rounds the left and the right one. `shift`: bits of fraction of the results.
fn spread(values: &[u16], bias: [u16; 2], shift: u32, out: &mut [u8]) {
    let pair = |before, value, after| {
        [(mix(value, before, bias[0]) >> shift) as u8, (mix(value, after, bias[1]) >> shift) as u8]
    };
    let n = values.len();
    out[..2].copy_from_slice(&pair(values[0], values[0], values[1]));
    for (out, near) in out[2..].as_chunks_mut().0.iter_mut().zip(values.windows(3)) {
        *out = pair(near[0], near[1], near[2]);
    }
    // The picture may be one column narrower than twice the plane.
    let last = &mut out[2 * n - 2..];
    let length = last.len();
    last.copy_from_slice(&pair(values[n - 2], values[n - 1], values[n - 1])[..length]);
}
