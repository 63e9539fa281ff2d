//! The inverse DCT in integers, 13 bits of fraction, 2 kept between the passes: libjpeg's accurate one
//! (Loeffler, Ligtenberg, Moschytz 1989), bit for bit.

use std::num::Wrapping;

/// Of hostile coefficients the sums may wrap; of real ones they never do.
type W = Wrapping<i32>;

/// One pass over eight values; `shift` bits are dropped, rounded to nearest.
#[inline(always)]
fn pass(x: [W; 8], shift: usize) -> [W; 8] {
    let times = |value: W, factor: i32| value * Wrapping(factor);
    let z1 = times(x[2] + x[6], 4433);
    let (even2, even3) = (z1 - times(x[6], 15137), z1 + times(x[2], 6270));
    let (even0, even1) = ((x[0] + x[4]) << 13, (x[0] - x[4]) << 13);
    let even = [even0 + even3, even1 + even2, even1 - even2, even0 - even3];

    let (z1, z2, z3, z4) = (x[7] + x[1], x[5] + x[3], x[7] + x[3], x[5] + x[1]);
    let z5 = times(z3 + z4, 9633);
    let (z1, z2) = (times(z1, -7373), times(z2, -20995));
    let (z3, z4) = (times(z3, -16069) + z5, times(z4, -3196) + z5);
    let odd = [
        times(x[1], 12299) + z1 + z4,
        times(x[3], 25172) + z2 + z3,
        times(x[5], 16819) + z2 + z4,
        times(x[7], 2446) + z1 + z3,
    ];
    let half = Wrapping(1 << (shift - 1));
    let mut out = [Wrapping(0); 8];
    for n in 0..4 {
        out[n] = (even[n] + odd[n] + half) >> shift;
        out[7 - n] = (even[n] - odd[n] + half) >> shift;
    }
    out
}

/// Coefficients (in rows) times `steps` to eight rows of eight samples, the first at `out[0]`, rows `stride` apart.
pub(super) fn block(coefficients: &[i16; 64], steps: &[u16; 64], out: &mut [u8], stride: usize) {
    if coefficients[1..].iter().fold(0, |all, value| all | value) == 0 {
        // What the two passes below come to without AC.
        let mean = (Wrapping(i32::from(coefficients[0])) * Wrapping(i32::from(steps[0]))) << 2;
        let sample = ((mean + Wrapping(16)) >> 5).0.saturating_add(128).clamp(0, 255) as u8;
        for row in out.chunks_mut(stride).take(8) {
            row[..8].fill(sample);
        }
        return;
    }
    let mut between = [Wrapping(0); 64];
    for column in 0..8 {
        let at = |row: usize| {
            let n = row * 8 + column;
            Wrapping(i32::from(coefficients[n])) * Wrapping(i32::from(steps[n]))
        };
        let values = if (1..8).all(|row| coefficients[row * 8 + column] == 0) {
            [at(0) << 2; 8]
        } else {
            pass([at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7)], 11)
        };
        for (row, value) in values.into_iter().enumerate() {
            between[row * 8 + column] = value;
        }
    }
    for (row, values) in between.as_chunks::<8>().0.iter().enumerate() {
        let samples = pass(*values, 18).map(|value| (value.0.saturating_add(128)).clamp(0, 255) as u8);
        out[row * stride..row * stride + 8].copy_from_slice(&samples);
    }
}
