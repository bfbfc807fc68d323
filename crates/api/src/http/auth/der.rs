//! The little of DER that public keys are written in (X.690; RFC 5280 §4.1.2.7, RFC 8017 §A.1.1).

pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const SEQUENCE: u8 = 0x30;

/// The contents of the value of this kind that `input` begins with, and what follows it.
pub(super) fn read(kind: u8, input: &[u8]) -> Option<(&[u8], &[u8])> {
    let ([found, length], rest) = input.split_first_chunk::<2>()?;
    if *found != kind {
        return None;
    }
    let (length, rest) = match *length {
        0..=0x7f => (usize::from(*length), rest),
        0x81 => {
            let (length, rest) = rest.split_first()?;
            (usize::from(*length), rest)
        }
        0x82 => {
            let (length, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        // No key is longer.
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// A value of this kind, of parts that are shorter than 64 KiB together.
pub(super) fn write(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let contents = parts.concat();
    let length = u16::try_from(contents.len()).expect("keys are short");
    let mut value = vec![kind];
    match length.to_be_bytes() {
        [0, short @ 0..=0x7f] => value.push(short),
        [0, long] => value.extend([0x81, long]),
        [high, low] => value.extend([0x82, high, low]),
    }
    value.extend(contents);
    value
}

/// A number that is not negative, of its digits to the base of 256.
pub(super) fn number(digits: &[u8]) -> Vec<u8> {
    let zeros = digits.iter().take_while(|digit| **digit == 0).count();
    let digits = &digits[zeros..];
    // The first bit is the sign.
    let sign: &[u8] = match digits.first() {
        Some(0..0x80) => &[],
        Some(_) | None => &[0],
    };
    write(INTEGER, &[sign, digits])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        for length in [0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff] {
            let contents = vec![7; length];
            let mut value = write(SEQUENCE, &[&contents]);
            value.push(9);
            assert_eq!(read(SEQUENCE, &value), Some((&contents[..], &[9][..])));
            assert_eq!(read(INTEGER, &value), None);
            value.truncate(value.len() - 2);
            if length > 0 {
                assert_eq!(read(SEQUENCE, &value), None, "{length}");
            }
        }
    }

    #[test]
    fn numbers_are_as_short_as_they_can_be() {
        assert_eq!(number(&[]), [2, 1, 0]);
        assert_eq!(number(&[0, 0]), [2, 1, 0]);
        assert_eq!(number(&[0, 0x7f]), [2, 1, 0x7f]);
        assert_eq!(number(&[0x80]), [2, 2, 0, 0x80]);
    }
}
