//! Planes to pixels, in 16-bit fixed point.

use super::frame::Frame;
use super::layer::Plane;
use super::{JpegError, Samples, upsample};

/// What the components are.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Grey,
    Rgb,
    /// Luma, and its differences to blue and to red.
    Ycc,
    Cmyk,
    /// Luma and differences of inverted inks, and black.
    Ycck,
}

/// `x` times 2^16, rounded.
const fn fixed(x: f64) -> i32 {
    (x * 65536.0 + 0.5) as i32
}

/// Red, green, blue of luma and the two differences.
#[inline]
fn rgb(y: u8, cb: u8, cr: u8) -> [u8; 3] {
    const HALF: i32 = 1 << 15;
    let luma = i32::from(y);
    let (cb, cr) = (i32::from(cb).wrapping_sub(128), i32::from(cr).wrapping_sub(128));
    // Nothing wraps, but checks would keep the loop from being vectorised.
    let scaled = |factor: i32, difference: i32| difference.wrapping_mul(factor);
    let red = luma.wrapping_add(scaled(fixed(1.402), cr).wrapping_add(HALF) >> 16);
    let both = scaled(-fixed(0.344_14), cb).wrapping_add(scaled(-fixed(0.714_14), cr));
    let green = luma.wrapping_add(both.wrapping_add(HALF) >> 16);
    let blue = luma.wrapping_add(scaled(fixed(1.772), cb).wrapping_add(HALF) >> 16);
    [red, green, blue].map(|value| value.clamp(0, 255) as u8)
}

/// Interleaves the planes of a frame. Four components are taken for Adobe's inverted inks whether its marker is
/// there or not, as Pillow does: no program writes them otherwise.
pub(super) fn join(frame: &Frame, planes: &[Plane], kind: Kind) -> Result<Samples, JpegError> {
    let (width, height) = (frame.width as usize, frame.height as usize);
    let n = planes.len();
    let (across, down) = frame.largest();
    let growth: Vec<_> = frame
        .components
        .iter()
        .map(|part| ((across / part.horizontal) as usize, (down / part.vertical) as usize))
        .collect();
    let (mut rows, mut sums) = (vec![vec![0; width]; n], Vec::new());
    let mut out = vec![0; width * height * n];
    for (y, line) in out.chunks_exact_mut(width * n).enumerate() {
        for ((plane, &growth), row) in planes.iter().zip(&growth).zip(&mut rows) {
            upsample::row(plane, growth, y, &mut sums, row);
        }
        match (kind, &rows[..]) {
            (Kind::Grey, [grey]) => line.copy_from_slice(grey),
            (Kind::Ycc, [y, cb, cr]) => {
                for (((pixel, &y), &cb), &cr) in line.as_chunks_mut::<3>().0.iter_mut().zip(y).zip(cb).zip(cr)
                {
                    *pixel = rgb(y, cb, cr);
                }
            }
            (Kind::Ycck, [y, cb, cr, k]) => {
                let pixels = line.as_chunks_mut::<4>().0.iter_mut();
                for ((((pixel, &y), &cb), &cr), &k) in pixels.zip(y).zip(cb).zip(cr).zip(k) {
                    // Inks are inverted twice: from RGB, and by Adobe.
                    let [cyan, magenta, yellow] = rgb(y, cb, cr);
                    *pixel = [cyan, magenta, yellow, 255 - k];
                }
            }
            (Kind::Rgb | Kind::Cmyk, rows) => {
                let flip = if matches!(kind, Kind::Cmyk) { 255 } else { 0 };
                for (channel, row) in rows.iter().enumerate() {
                    for (value, &sample) in line.iter_mut().skip(channel).step_by(n).zip(row) {
                        *value = sample ^ flip;
                    }
                }
            }
            _ => return Err(JpegError::Broken("its components do not fit its colours")),
        }
    }
    Ok(match n {
        1 => Samples::Grey(out),
        3 => Samples::Rgb(out),
        _ => Samples::Cmyk(out),
    })
}
