//! Times as agents read and write them: the clock on the wall of the agent's timezone.

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, TimeDelta, TimeZone};
use chrono_tz::{TZ_VARIANTS, Tz};

use crate::schema::Timestamp;

/// The timezone with this IANA name (`Europe/Helsinki`, `UTC`), whatever its case.
#[must_use]
pub fn timezone(name: &str) -> Option<Tz> {
    let name = name.trim();
    name.parse().ok().or_else(|| TZ_VARIANTS.into_iter().find(|zone| zone.name().eq_ignore_ascii_case(name)))
}

/// Whether a timezone of this name exists.
#[must_use]
pub fn is_timezone(name: &str) -> bool {
    timezone(name).is_some()
}

/// The instant that a date stands for, ISO 8601 with or without a time of day and an offset: as the start of a span,
/// or as its end, which includes the day. Without an offset it is in `zone`.
#[must_use]
pub fn instant(text: &str, zone: Tz, end: bool) -> Option<Timestamp> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.to_utc().into());
    }
    let local = |time: NaiveDateTime| {
        // In the hour that the clock skips there is no such time: the next that there is.
        let found = zone.from_local_datetime(&time).earliest();
        found.or_else(|| zone.from_local_datetime(&(time + TimeDelta::hours(1))).earliest()).map(|time| time.to_utc())
    };
    let formats = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];
    if let Some(time) = formats.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok()) {
        return local(time).map(Into::into);
    }
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    if !end {
        return local(day.and_hms_opt(0, 0, 0)?).map(Into::into);
    }
    let next = local(day.checked_add_days(Days::new(1))?.and_hms_opt(0, 0, 0)?)?;
    Some((next - TimeDelta::microseconds(1)).into())
}

/// The time in the named timezone, as `2025-03-01 04:05:06 PM EET+0200`.
///
/// An unknown name means UTC: the text of a prompt or a tool result must not fail over a name that an older
/// version, or another server, has let into the database.
#[must_use]
pub fn local_time(time: Timestamp, timezone_name: &str) -> String {
    let zone = timezone(timezone_name).unwrap_or(Tz::UTC);
    time.utc().with_timezone(&zone).format("%Y-%m-%d %I:%M:%S %p %Z%z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_with_the_name_and_the_offset_of_its_zone() {
        let time = Timestamp::parse("2025-03-01T16:05:06Z").unwrap();
        assert_eq!(local_time(time, "UTC"), "2025-03-01 04:05:06 PM UTC+0000");
        assert_eq!(local_time(time, "Europe/Helsinki"), "2025-03-01 06:05:06 PM EET+0200");
        assert_eq!(local_time(time, "America/New_York"), "2025-03-01 11:05:06 AM EST-0500");
    }

    #[test]
    fn an_unknown_zone_means_utc() {
        let time = Timestamp::parse("2025-07-01T00:00:00Z").unwrap();
        assert!(!is_timezone("Mars/Olympus"));
        assert_eq!(local_time(time, "Mars/Olympus"), "2025-07-01 12:00:00 AM UTC+0000");
    }

    #[test]
    fn zone_names_are_known_in_any_case() {
        for name in ["UTC", "utc", "Europe/Helsinki", "europe/helsinki", " Asia/Tokyo "] {
            assert!(is_timezone(name), "{name}");
        }
        for name in ["", "Europe", "GMT+25", "UTC+1"] {
            assert!(!is_timezone(name), "{name}");
        }
    }
}
