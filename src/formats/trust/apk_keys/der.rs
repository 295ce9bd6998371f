//! Just enough DER (X.690) to take an RSA key out of its `SubjectPublicKeyInfo` (RFC 5280, RFC 3279, RFC 8017).

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;

/// The identifier `rsaEncryption`, 1.2.840.113549.1.1.1, and its parameters, NULL.
const RSA_ENCRYPTION: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

/// Sizes of modulus that can be verified with, in bits.
const BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// The `RSAPublicKey` inside, which is known to be one that signatures can be checked with, or what is wrong.
pub(super) fn rsa_public_key(info: &[u8]) -> Result<&[u8], String> {
    let (info, rest) = element(info, SEQUENCE)?;
    nothing(rest)?;
    let (algorithm, key) = element(info, SEQUENCE)?;
    if algorithm != RSA_ENCRYPTION {
        return Err("it is not an RSA key".to_owned());
    }
    let (key, rest) = element(key, BIT_STRING)?;
    nothing(rest)?;
    let key = key.strip_prefix(&[0]).ok_or("it is not whole bytes")?;
    let (numbers, rest) = element(key, SEQUENCE)?;
    nothing(rest)?;
    let (modulus, numbers) = element(numbers, INTEGER)?;
    let (exponent, numbers) = element(numbers, INTEGER)?;
    nothing(numbers)?;
    let modulus = positive(modulus)?;
    let bits = bits(modulus);
    if !BITS.contains(&bits) {
        return Err(format!("it has {bits} bits; {} to {} are accepted", BITS.start(), BITS.end()));
    }
    let exponent = positive(exponent)?;
    let is_odd = |number: &[u8]| number.last().is_some_and(|byte| byte % 2 == 1);
    if exponent == [1] || self::bits(exponent) > 33 || !is_odd(exponent) || !is_odd(modulus) {
        return Err("its numbers cannot be those of an RSA key".to_owned());
    }
    Ok(key)
}

/// The content of the first element, which must be of this type, and what follows the element.
fn element(bytes: &[u8], tag: u8) -> Result<(&[u8], &[u8]), &'static str> {
    const BAD: &str = "its DER is malformed";
    let [found, first, rest @ ..] = bytes else { return Err(BAD) };
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        // More than two bytes of length are more than any key needs; the shortest form is a must.
        0x81 => match rest {
            [length @ 0x80..=0xff, rest @ ..] => (usize::from(*length), rest),
            _ => return Err(BAD),
        },
        0x82 => match rest {
            [high @ 1..=0xff, low, rest @ ..] => (usize::from(*high) << 8 | usize::from(*low), rest),
            _ => return Err(BAD),
        },
        _ => return Err(BAD),
    };
    if *found != tag {
        return Err(BAD);
    }
    rest.split_at_checked(length).ok_or(BAD)
}

fn nothing(rest: &[u8]) -> Result<(), &'static str> {
    if rest.is_empty() { Ok(()) } else { Err("something follows its end") }
}

/// A positive number's bytes, without the zero that keeps its sign.
fn positive(number: &[u8]) -> Result<&[u8], &'static str> {
    match number {
        [0, rest @ ..] if rest.first().is_some_and(|byte| *byte >= 0x80) => Ok(rest),
        [1..=0x7f, ..] => Ok(number),
        _ => Err("its numbers are not positive, or not in their shortest form"),
    }
}

/// The length of a number without leading zero bytes, in bits.
fn bits(number: &[u8]) -> usize {
    let leading = number.first().map_or(0, |byte| byte.leading_zeros() as usize);
    (number.len() * 8).saturating_sub(leading)
}
