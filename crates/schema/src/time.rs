//! Points in time as the API writes them.

use std::fmt;

use chrono::{DateTime, NaiveDateTime, SecondsFormat, SubsecRound, Timelike, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::{PartialSchema, ToSchema, openapi};

/// A point in time of a row: UTC with microseconds, written as RFC 3339 with `Z`.
///
/// The fraction has six digits and is left out when it is zero: `2025-01-02T03:04:05.123456Z`,
/// `2025-01-02T03:04:05Z`. Read with any offset, or with none, which means UTC; unix seconds and
/// milliseconds are understood too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(DateTime<Utc>);

/// A whole number below this is unix seconds, one above it milliseconds (as of the year 2603).
const SECONDS_LIMIT: i64 = 20_000_000_000;

impl Timestamp {
    /// The current time, with the precision that is stored.
    #[must_use]
    pub fn now() -> Self {
        Utc::now().into()
    }

    /// Reads ISO 8601, with or without offset and time of day.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(time) = DateTime::parse_from_rfc3339(text) {
            return Some(time.to_utc().into());
        }
        let naive = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"]
            .iter()
            .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
        let naive = naive.or_else(|| text.parse::<chrono::NaiveDate>().ok()?.and_hms_opt(0, 0, 0));
        naive.map(|time| time.and_utc().into())
    }

    /// The time as a chrono value.
    #[must_use]
    pub const fn utc(self) -> DateTime<Utc> {
        self.0
    }

    /// The time without its zone, which is UTC: the stored form.
    #[must_use]
    pub const fn naive(self) -> NaiveDateTime {
        self.0.naive_utc()
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(time: DateTime<Utc>) -> Self {
        Self(time.trunc_subsecs(6))
    }
}

impl From<NaiveDateTime> for Timestamp {
    fn from(time: NaiveDateTime) -> Self {
        time.and_utc().into()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format = if self.0.nanosecond() == 0 { SecondsFormat::Secs } else { SecondsFormat::Micros };
        f.write_str(&self.0.to_rfc3339_opts(format, true))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Timestamp;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a point in time as ISO 8601 text or unix seconds")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Timestamp, E> {
                Timestamp::parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Timestamp, E> {
                let time = if number.unsigned_abs() < SECONDS_LIMIT.unsigned_abs() {
                    DateTime::from_timestamp(number, 0)
                } else {
                    DateTime::from_timestamp_millis(number)
                };
                time.map(Into::into).ok_or_else(|| E::invalid_value(de::Unexpected::Signed(number), &self))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Timestamp, E> {
                let number =
                    i64::try_from(number).map_err(|_| E::invalid_value(de::Unexpected::Unsigned(number), &self))?;
                self.visit_i64(number)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl PartialSchema for Timestamp {
    fn schema() -> openapi::RefOr<openapi::Schema> {
        openapi::ObjectBuilder::new()
            .schema_type(openapi::schema::Type::String)
            .format(Some(openapi::SchemaFormat::KnownFormat(openapi::KnownFormat::DateTime)))
            .into()
    }
}

impl ToSchema for Timestamp {}

/// The `date` of a message on the wire: whole seconds with a numeric offset, `2025-01-02T03:04:05+00:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageDate(DateTime<Utc>);

impl From<Timestamp> for MessageDate {
    fn from(time: Timestamp) -> Self {
        Self(time.0.trunc_subsecs(0))
    }
}

impl fmt::Display for MessageDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_rfc3339_opts(SecondsFormat::Secs, false))
    }
}

impl Serialize for MessageDate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MessageDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Timestamp::deserialize(deserializer).map(Into::into)
    }
}

impl PartialSchema for MessageDate {
    fn schema() -> openapi::RefOr<openapi::Schema> {
        Timestamp::schema()
    }
}

impl ToSchema for MessageDate {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_seconds_or_milliseconds_or_no_time() {
        let time = |number: i64| serde_json::from_value::<Timestamp>(number.into()).map(|time| time.to_string());
        assert_eq!(time(1_735_787_045).unwrap(), "2025-01-02T03:04:05Z");
        assert_eq!(time(1_735_787_045_000).unwrap(), "2025-01-02T03:04:05Z");
        assert!(time(i64::MIN).is_err() && time(i64::MAX).is_err());
    }

    #[test]
    fn the_fraction_has_six_digits_or_is_left_out() {
        let with = Timestamp::parse("2025-01-02T05:04:05.1234567+02:00").unwrap();
        assert_eq!(with.to_string(), "2025-01-02T03:04:05.123456Z");
        assert_eq!(Timestamp::parse("2025-01-02T03:04:05").unwrap().to_string(), "2025-01-02T03:04:05Z");
        assert_eq!(Timestamp::parse("2025-01-02").unwrap().to_string(), "2025-01-02T00:00:00Z");
        assert_eq!(MessageDate::from(with).to_string(), "2025-01-02T03:04:05+00:00");
    }

    #[test]
    fn unix_seconds_and_milliseconds_are_times() {
        for json in ["1735787045", "1735787045000", "\"2025-01-02T03:04:05Z\""] {
            let time: Timestamp = serde_json::from_str(json).unwrap();
            assert_eq!(time.to_string(), "2025-01-02T03:04:05Z");
        }
        assert!(serde_json::from_str::<Timestamp>("\"yesterday\"").is_err());
    }
}
