//! The numeric conversions of `%`: `d i u o x X e E f F g G`.

use serde_json::Value;

use super::percent::Spec;
use super::text::{exponent_suffix, split_exponent};

/// A number written by `spec`. `None` where Python raises: the value is no number, or a fraction
/// where whole numbers are wanted.
pub(super) fn format(spec: &Spec, value: &Value) -> Option<String> {
    let written = match spec.conversion {
        'd' | 'i' | 'u' | 'o' | 'x' | 'X' => NumberParts::integer(spec, value)?,
        _ => NumberParts::float(spec, value)?,
    };
    Some(written.fit(spec))
}

/// A number in parts, because zeros are filled in between them.
struct NumberParts {
    negative: bool,
    prefix: &'static str,
    digits: String,
}

impl NumberParts {
    fn integer(spec: &Spec, value: &Value) -> Option<Self> {
        let decimal = matches!(spec.conversion, 'd' | 'i' | 'u');
        let (negative, digits) = match (value, value.as_f64()) {
            (Value::Bool(bit), _) => (false, u8::from(*bit).to_string()),
            (Value::Number(number), Some(float)) if number.is_f64() => {
                let digits = decimal.then(|| format!("{:.0}", float.trunc().abs()))?;
                (float <= -1.0, digits)
            }
            (Value::Number(number), _) => {
                let magnitude = number.as_u64().or(number.as_i64().map(i64::unsigned_abs))?;
                let digits = match spec.conversion {
                    'o' => format!("{magnitude:o}"),
                    'x' => format!("{magnitude:x}"),
                    'X' => format!("{magnitude:X}"),
                    _ => magnitude.to_string(),
                };
                (number.as_i64().is_some_and(i64::is_negative), digits)
            }
            _ => return None,
        };
        let prefix = match spec.conversion {
            'o' if spec.alternate => "0o",
            'x' if spec.alternate => "0x",
            'X' if spec.alternate => "0X",
            _ => "",
        };
        let width = spec.precision.unwrap_or(0);
        Some(Self {
            negative,
            prefix,
            digits: format!("{digits:0>width$}"),
        })
    }

    fn float(spec: &Spec, value: &Value) -> Option<Self> {
        let float = match value {
            Value::Bool(bit) => f64::from(u8::from(*bit)),
            Value::Number(number) => number.as_f64()?,
            _ => return None,
        };
        let precision = spec.precision.unwrap_or(6);
        let magnitude = float.abs();
        let digits = match spec.conversion {
            'f' | 'F' => fixed(magnitude, precision, spec.alternate),
            'e' | 'E' => scientific(magnitude, precision, spec.alternate),
            _ => general(magnitude, precision, spec.alternate),
        };
        Some(Self {
            negative: float.is_sign_negative(),
            prefix: "",
            digits: match spec.conversion.is_ascii_uppercase() {
                true => digits.to_ascii_uppercase(),
                false => digits,
            },
        })
    }

    fn fit(&self, spec: &Spec) -> String {
        let Self {
            negative,
            prefix,
            digits,
        } = self;
        let sign = match (negative, spec.plus, spec.space) {
            (true, _, _) => "-",
            (false, true, _) => "+",
            (false, false, true) => " ",
            (false, false, false) => "",
        };
        if spec.zero && !spec.left {
            let width = spec.width.saturating_sub(sign.len() + prefix.len());
            return format!("{sign}{prefix}{digits:0>width$}");
        }
        spec.pad(&format!("{sign}{prefix}{digits}"))
    }
}

/// The point that stands behind a number without decimals where one is wanted.
fn point(precision: usize, keep_point: bool) -> &'static str {
    match (precision, keep_point) {
        (0, true) => ".",
        _ => "",
    }
}

fn fixed(value: f64, precision: usize, keep_point: bool) -> String {
    format!("{value:.precision$}{}", point(precision, keep_point))
}

fn scientific(value: f64, precision: usize, keep_point: bool) -> String {
    let written = format!("{value:.precision$e}");
    let (mantissa, exponent) = split_exponent(&written);
    let point = point(precision, keep_point);
    format!("{mantissa}{point}{}", exponent_suffix(exponent))
}

/// `%g`: whichever of the two is shorter, without the zeros that say nothing.
fn general(value: f64, precision: usize, keep_zeros: bool) -> String {
    let significant = precision.max(1);
    let written = format!("{value:.*e}", significant - 1);
    let (mantissa, exponent) = split_exponent(&written);
    let decimals = i64::try_from(significant).unwrap_or(i64::MAX) - 1 - i64::from(exponent);
    let (number, suffix) = match usize::try_from(decimals) {
        Ok(decimals) if exponent >= -4 => (fixed(value, decimals, keep_zeros), String::new()),
        _ if keep_zeros && !mantissa.contains('.') => {
            (format!("{mantissa}."), exponent_suffix(exponent))
        }
        _ => (mantissa.to_owned(), exponent_suffix(exponent)),
    };
    if keep_zeros || !number.contains('.') {
        return number + &suffix;
    }
    let trimmed = number.trim_end_matches('0').trim_end_matches('.');
    format!("{trimmed}{suffix}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::percent::Template;

    #[test]
    fn numbers_are_written_as_python_writes_them() {
        for (template, value, expected) in [
            ("%(v)d", json!(-7), "-7"),
            ("%(v)+06d", json!(42), "+00042"),
            ("%(v)-6d|", json!(42), "42    |"),
            ("%(v)08.5d", json!(42), "00000042"),
            ("%(v)d", json!(-3.9), "-3"),
            ("%(v)d", json!(-0.5), "0"),
            ("%(v)i", json!(true), "1"),
            ("%(v)#o", json!(8), "0o10"),
            ("%(v)#08X", json!(255), "0X0000FF"),
            ("%(v)x", json!(-255), "-ff"),
            ("%(v)f", json!(1), "1.000000"),
            ("%(v).1f", json!(0.25), "0.2"),
            ("%(v)#.0f", json!(3.0), "3."),
            ("%(v)e", json!(12345.678), "1.234568e+04"),
            ("%(v)E", json!(0.0), "0.000000E+00"),
            ("%(v)g", json!(0.0001), "0.0001"),
            ("%(v)g", json!(1e-5), "1e-05"),
            ("%(v)g", json!(1234567), "1.23457e+06"),
            ("%(v)#g", json!(1.5), "1.50000"),
            ("%(v)g", json!(100000), "100000"),
        ] {
            let target = json!({ "v": value });
            assert_eq!(
                Template::new(template).render(&target).unwrap(),
                expected,
                "{template}"
            );
        }
    }
}
