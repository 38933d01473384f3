//! How spans of time, sizes and rates are written.

use std::time::Duration;

/// Units of time in the order in which they must be written, in milliseconds.
const TIME_UNITS: [(&str, u64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

const SIZE_UNITS: [(&str, u64); 5] =
    [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// A whole number and what follows it.
fn leading_number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    Some((digits.parse().ok()?, rest))
}

/// Reads Prometheus' durations: `90s`, `1h30m`, `0`; larger units first, each
/// at most once.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let (mut rest, mut total_ms, mut next_unit) = (text, 0_u64, 0);
    loop {
        let (number, after) = leading_number(rest)?;
        let end = after.find(|char: char| char.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let place = next_unit + TIME_UNITS[next_unit..].iter().position(|(name, _)| *name == unit)?;
        total_ms = total_ms.checked_add(number.checked_mul(TIME_UNITS[place].1)?)?;
        next_unit = place + 1;
        rest = after;
        if rest.is_empty() {
            return Some(Duration::from_millis(total_ms));
        }
    }
}

/// Writes what [`parse_duration`] reads; what is below a millisecond is cut.
/// As Prometheus does, years, weeks and days only where nothing is left over.
pub(crate) fn format_duration(span: Duration) -> String {
    let mut rest_ms = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    if rest_ms == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (place, (name, unit_ms)) in TIME_UNITS.iter().enumerate() {
        let exact_only = place < 3;
        if rest_ms < *unit_ms || (exact_only && !rest_ms.is_multiple_of(*unit_ms)) {
            continue;
        }
        text += &format!("{}{name}", rest_ms / unit_ms);
        rest_ms %= unit_ms;
    }
    text
}

/// Reads `64MiB`, `1GiB`, `512B`, or a number of bytes.
pub(crate) fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = leading_number(text)?;
    if unit.is_empty() {
        return Some(number);
    }
    let (_, factor) = SIZE_UNITS.iter().find(|(name, _)| *name == unit)?;
    number.checked_mul(*factor)
}

/// Writes what [`parse_size`] reads, in the largest unit that divides it.
pub(crate) fn format_size(bytes: u64) -> String {
    let fits = |(_, factor): &&(&str, u64)| bytes >= *factor && bytes.is_multiple_of(*factor);
    let (name, factor) = SIZE_UNITS.iter().find(fits).unwrap_or(&("B", 1));
    format!("{}{name}", bytes / factor)
}

/// Reads `10/s`, `0.5/s`, `600/m`, `1000/h` as events a second, above zero.
pub(crate) fn parse_rate(text: &str) -> Option<f64> {
    let (number, unit) = text.split_once('/')?;
    let seconds = match unit {
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    let plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let rate = number.parse::<f64>().ok()? / seconds;
    (plain && rate.is_finite() && rate > 0.0).then_some(rate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_read_as_prometheus_does() {
        for (text, want_ms) in [
            ("0", 0),
            ("0s", 0),
            ("90s", 90_000),
            ("5m", 300_000),
            ("1d", 86_400_000),
            ("1h30m", 5_400_000),
            ("1y2w3d4h5m6s7ms", 33_019_506_007),
            ("100ms", 100),
        ] {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(want_ms)), "{text}");
        }
        for bad in
            ["", "1", "s", "1.5h", "-1s", "1m1h", "1s1s", "1 s", "5min", "99999999999y", "1S", "1ms1", "1é"]
        {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn durations_are_written_as_prometheus_does() {
        for text in ["0s", "90d", "1w", "1y", "1h30m", "25h", "1d", "1s500ms", "4h", "5m"] {
            assert_eq!(format_duration(parse_duration(text).unwrap()), text);
        }
        assert_eq!(format_duration(Duration::from_secs(90)), "1m30s");
        assert_eq!(format_duration(Duration::from_secs(14 * 86_400)), "2w");
    }

    #[test]
    fn sizes_and_rates() {
        assert_eq!(parse_size("64MiB"), Some(64 << 20));
        assert_eq!(parse_size("123"), Some(123));
        assert_eq!(format_size(10 << 30), "10GiB");
        assert_eq!(format_size(0), "0B");
        for bad in ["", "MiB", "1.5GiB", "1MB", "64 MiB", "-1B", "99999999999TiB"] {
            assert_eq!(parse_size(bad), None, "{bad}");
        }
        assert_eq!(parse_rate("10/s"), Some(10.0));
        assert_eq!(parse_rate("600/m"), Some(10.0));
        assert_eq!(parse_rate("1.5/s"), Some(1.5));
        for bad in ["", "10", "0/s", "-1/s", "inf/s", "NaN/s", "1e3/s", "10/d", "/s", "./s"] {
            assert_eq!(parse_rate(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn durations_print_and_parse(ms in prop_oneof![0..10_000_u64, 0..10_u64.pow(14), (0..2000_u64).prop_map(|d| d * 86_400_000)]) {
            let span = Duration::from_millis(ms);
            prop_assert_eq!(parse_duration(&format_duration(span)), Some(span));
        }

        #[test]
        fn sizes_print_and_parse(bytes: u64, shift in 0..40_u32) {
            let bytes = bytes >> shift << shift;
            prop_assert_eq!(parse_size(&format_size(bytes)), Some(bytes));
        }

        #[test]
        fn any_text_is_safe(text: String) {
            let _ = (parse_duration(&text), parse_size(&text), parse_rate(&text));
        }
    }
}
