//! Scans to planes. A sequential block goes through the inverse DCT at once; a progressive file's coefficients are
//! kept until its end marker.

use super::frame::{Scan, ZIGZAG};
use super::huffman::{Bits, Huffman};
use super::layer::{Layer, Plane};
use super::progressive::Block;
use super::segments::Headers;
use super::{JpegError, progressive};

/// More scans than any encoder writes; each may walk over the whole picture for a few bytes.
const MAX_SCANS: usize = 100;

/// Reads all scans. `headers` stands after the first scan's header.
pub(super) fn planes(headers: &mut Headers<'_>) -> Result<Vec<Plane>, JpegError> {
    let frame = headers.frame.as_ref().ok_or(JpegError::Broken("it has no frame header"))?;
    let progressive = frame.progressive;
    let mut layers: Vec<Layer> = frame.components.iter().map(|part| Layer::new(frame, part)).collect();
    for _ in 0..MAX_SCANS {
        let Some(scan) = headers.scan.take() else { break };
        walk(headers, &scan, &mut layers)?;
        // One scan with everything is the whole picture, even if the end marker is lost.
        if (!progressive && scan.parts.len() == layers.len()) || !headers.advance()? {
            return finish(headers, layers);
        }
    }
    Err(JpegError::Unsupported("a file with more than 100 scans"))
}

fn finish(headers: &Headers<'_>, mut layers: Vec<Layer>) -> Result<Vec<Plane>, JpegError> {
    let parts = headers.frame.iter().flat_map(|frame| &frame.components);
    for (layer, part) in layers.iter_mut().zip(parts) {
        layer.steps = part.steps.ok_or(JpegError::Broken("a component has no scan"))?;
        let across = layer.blocks_across;
        for (n, coefficients) in std::mem::take(&mut layer.coefficients).iter().enumerate() {
            layer.show(n % across, n / across, coefficients);
        }
    }
    Ok(layers.into_iter().map(|layer| layer.plane).collect())
}

/// The tables of a component in a scan.
#[derive(Clone, Copy)]
struct Tables<'a> {
    dc: Option<&'a Huffman>,
    ac: Option<&'a Huffman>,
}

/// The components of `scan` with their tables, checked.
fn tables<'a>(headers: &'a Headers<'_>, scan: &Scan) -> Result<Vec<(usize, Tables<'a>)>, JpegError> {
    let progressive = headers.frame.as_ref().is_some_and(|frame| frame.progressive);
    let (needs_dc, needs_ac) = match progressive {
        true => (scan.first == 0 && scan.high == 0, scan.first > 0),
        false => (true, true),
    };
    let with = |&(index, dc, ac): &(usize, usize, usize)| {
        let tables = Tables {
            dc: headers.dc[dc].as_ref().filter(|table| table.within(15)),
            ac: headers.ac[ac].as_ref(),
        };
        let sound = (!needs_dc || tables.dc.is_some()) && (!needs_ac || tables.ac.is_some());
        sound
            .then_some((index, tables))
            .ok_or(JpegError::Broken("a scan has no Huffman table, or a wrong one"))
    };
    scan.parts.iter().map(with).collect()
}

/// Reads the entropy-coded data of one scan.
fn walk(headers: &mut Headers<'_>, scan: &Scan, layers: &mut [Layer]) -> Result<(), JpegError> {
    let frame = headers.frame.as_ref().ok_or(JpegError::Broken("it has no frame header"))?;
    let tables = tables(headers, scan)?;
    for &(index, ..) in &scan.parts {
        layers[index].steps = frame.components[index].steps.unwrap_or([0; 64]);
    }
    let (across, down) = frame.largest();
    // A scan of one component has no groups, and leaves the filling blocks out.
    let alone = (scan.parts.len() == 1).then(|| layers[scan.parts[0].0].own);
    let groups = (frame.width.div_ceil(across * 8) as usize, frame.height.div_ceil(down * 8) as usize);
    let (columns, rows) = alone.unwrap_or(groups);
    let interval = if headers.restart == 0 { columns * rows } else { headers.restart };
    let mut position = headers.position;
    for start in (0..columns * rows).step_by(interval.max(1)) {
        if start > 0 && !restart(headers.bytes, &mut position) {
            break;
        }
        let mut bits = Bits::new(headers.bytes, position);
        let mut run = 0;
        layers.iter_mut().for_each(|layer| layer.predicted = 0);
        for group in start..(columns * rows).min(start + interval) {
            let (column, row) = (group % columns, group / columns);
            for &(index, tables) in &tables {
                let layer = &mut layers[index];
                let (wide, high) = if alone.is_some() { (1, 1) } else { layer.group };
                for n in 0..wide * high {
                    let (x, y) = (column * wide + n % wide, row * high + n / wide);
                    if frame.progressive {
                        let at = y * layer.blocks_across + x;
                        let block = Block {
                            coefficients: &mut layer.coefficients[at],
                            has_ac: &mut layer.has_ac[at],
                        };
                        let tables = (tables.dc, tables.ac);
                        progressive::block(&mut bits, tables, scan, &mut layer.predicted, &mut run, block)?;
                    } else {
                        let block = sequential(&mut bits, tables, &mut layer.predicted)?;
                        layer.show(x, y, &block);
                    }
                }
            }
            if bits.starved() {
                break; // the rest up to the next restart marker is lost; libjpeg leaves it empty, too
            }
        }
        position = bits.position();
        if bits.starved() && position >= headers.bytes.len() {
            return Err(JpegError::Truncated(headers.bytes.len()));
        }
    }
    headers.position = position;
    Ok(())
}

/// Goes past the next restart marker; `false` if another marker, or the end, comes first.
fn restart(bytes: &[u8], position: &mut usize) -> bool {
    while let Some(&[first, second]) = bytes.get(*position..*position + 2) {
        if first == 0xFF && !matches!(second, 0 | 0xFF) {
            let found = (0xD0..=0xD7).contains(&second);
            *position += if found { 2 } else { 0 };
            return found;
        }
        *position += 1;
    }
    false
}

/// A block of a sequential scan, coefficients in rows.
#[inline]
fn sequential(bits: &mut Bits<'_>, tables: Tables<'_>, predicted: &mut i32) -> Result<[i16; 64], JpegError> {
    let (Some(dc), Some(ac)) = (tables.dc, tables.ac) else {
        return Err(JpegError::Broken("a scan has no Huffman table"));
    };
    let mut block = [0; 64];
    let length = bits.symbol(dc);
    *predicted = predicted.wrapping_add(bits.signed(u32::from(length)));
    block[0] = *predicted as i16;
    let mut at = 1;
    while at < 64 {
        let symbol = bits.symbol(ac);
        let (zeros, length) = (usize::from(symbol >> 4), u32::from(symbol & 15));
        if length == 0 {
            if zeros < 15 {
                break;
            }
            at += 16;
            continue;
        }
        at += zeros;
        let value = bits.signed(length);
        let Some(&place) = ZIGZAG.get(at) else { break };
        block[usize::from(place)] = value as i16;
        at += 1;
    }
    Ok(block)
}
