//! Looks through a sled log file for damage before sled sees it.
//!
//! sled trusts what it can read and cuts off, zeroes or skips what it can't; some damage makes it
//! panic. By then the file is altered. So every checksum in the file is checked first, and a file
//! with a bad one is copied, and only the copy opened (`rescue`).
//!
//! A log is a row of segments of one length. A segment has a header (checksum, number, stable number),
//! then messages (checksum, kind, length, segment's position in the log, page). The segment written
//! last may end in remains of its earlier use, so what follows its last good message is damage only
//! if a good message of the same segment follows.
//!
//! This finds any changed bit of a message or a segment header. It finds neither a write that never
//! arrived nor a message that was the very last one: for these there is the `seal`.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

const SEGMENT_HEADER_BYTES: usize = 20;
/// Nothing starts in so many last bytes of a segment.
const RED_ZONE_BYTES: usize = 32;
/// All bits but the first, which sled flips so that zeroes are no valid header.
const FLIPPED: u64 = 0x7FFF_FFFF_FFFF_FFFF;
/// What fills a segment that was given up.
const KIND_CAP: u8 = 2;
const KIND_LAST: u8 = 11;

/// The first damaged place of a log file, in words; `None` if all of it is sound.
pub(super) fn damage(path: &Path, length: usize) -> io::Result<Option<String>> {
    let file = File::open(path)?;
    let Some(newest) = newest(&file, length)? else { return Ok(None) };
    for number in 0.. {
        let bytes = segment(&file, number, length)?;
        if bytes.len() < SEGMENT_HEADER_BYTES {
            return Ok(None);
        }
        if let Some(offset) = damage_in(&bytes, newest, length) {
            let at = number * length as u64 + offset as u64;
            return Ok(Some(format!("{} is damaged at byte {at}", path.display())));
        }
    }
    Ok(None)
}

/// The position in the log of the segment written last.
fn newest(file: &File, length: usize) -> io::Result<Option<u64>> {
    let (mut newest, end) = (None, file.metadata()?.len());
    let mut header = [0; SEGMENT_HEADER_BYTES];
    for start in (0..end).step_by(length) {
        let read = file.read_at(&mut header, start)?;
        newest = newest.max(position(&header[..read], length));
    }
    Ok(newest)
}

fn segment(file: &File, number: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    let mut filled = 0;
    while filled < bytes.len() {
        let start = number * length as u64 + filled as u64;
        match file.read_at(&mut bytes[filled..], start)? {
            0 => break,
            read => filled += read,
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// Where a segment is damaged.
fn damage_in(segment: &[u8], newest: u64, length: usize) -> Option<usize> {
    let Some(position) = position(segment, length) else {
        // A segment that holds nothing is all zeroes, its header at least.
        let is_empty = segment.iter().take(SEGMENT_HEADER_BYTES).all(|byte| *byte == 0);
        return (!is_empty).then_some(0);
    };
    let mut offset = SEGMENT_HEADER_BYTES;
    while offset + RED_ZONE_BYTES <= length {
        match message(segment, offset, position) {
            Some(Message { is_cap: true, .. }) => return None,
            Some(Message { bytes, .. }) => offset += bytes,
            None if position < newest => return Some(offset),
            None => {
                let end = without_zeroes(segment);
                let later = (offset + 1..end).any(|at| message(segment, at, position).is_some());
                return later.then_some(offset);
            }
        }
    }
    None
}

/// Where the zeroes at its end begin, to a block.
fn without_zeroes(segment: &[u8]) -> usize {
    const BLOCK: usize = 4096;
    let zeroes = [0; BLOCK];
    let mut end = segment.len();
    while end > 0 {
        let block = &segment[end.saturating_sub(BLOCK)..end];
        // sled leaves one last byte as it was.
        let block = if end == segment.len() { &block[..block.len() - 1] } else { block };
        if *block != zeroes[..block.len()] {
            break;
        }
        end = end.saturating_sub(BLOCK);
    }
    end
}

/// Which segment of the log this is, if its header is sound.
fn position(segment: &[u8], length: usize) -> Option<u64> {
    let header = segment.get(..SEGMENT_HEADER_BYTES)?;
    let (sum, rest) = header.split_first_chunk::<4>()?;
    if crc32fast::hash(rest) != !u32::from_le_bytes(*sum) {
        return None;
    }
    let number = u64::from_le_bytes(*rest.first_chunk::<8>()?) ^ FLIPPED;
    Some(number / length as u64)
}

/// A sound message.
struct Message {
    bytes: usize,
    is_cap: bool,
}

fn message(segment: &[u8], offset: usize, position: u64) -> Option<Message> {
    let header = segment.get(offset..)?;
    let (sum, rest) = header.split_first_chunk::<4>()?;
    let (kind, rest) = rest.split_first()?;
    if !(1..=KIND_LAST).contains(kind) {
        return None;
    }
    let (length, rest) = number(rest)?;
    let (its_position, rest) = number(rest)?;
    if its_position != position {
        return None;
    }
    let (_, rest) = number(rest)?;
    let body = rest.get(..usize::try_from(length).ok()?)?;
    let head = &header[4..header.len() - rest.len()];
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(body);
    hasher.update(head);
    let bytes = header.len() - rest.len() + body.len();
    let is_sound = hasher.finalize() == !u32::from_le_bytes(*sum);
    is_sound.then_some(Message { bytes, is_cap: *kind == KIND_CAP })
}

/// sled's own variable-length number, and what follows it.
fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let byte = |index: usize| rest.get(index).copied().map(u64::from);
    match *first {
        small @ 0..=240 => Some((u64::from(small), rest)),
        more @ 241..=248 => Some((240 + 256 * u64::from(more - 241) + byte(0)?, &rest[1..])),
        249 => Some((2288 + 256 * byte(0)? + byte(1)?, &rest[2..])),
        large => {
            let length = usize::from(large - 247);
            let mut number = [0; 8];
            number[..length].copy_from_slice(rest.get(..length)?);
            Some((u64::from_le_bytes(number), &rest[length..]))
        }
    }
}
