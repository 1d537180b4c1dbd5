//! Feeds values to the derived readers.

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::fault::Fault;
use super::node::{Kind, Node};

/// Largest whole number a fractional number type tells apart from its neighbours.
const EXACT_FLOAT_MAX: f64 = 9_007_199_254_740_992.0;

/// A value to read a type from.
#[derive(Clone, Copy)]
pub(super) struct Reader<'de>(pub(super) &'de Node);

impl Reader<'_> {
    fn wrong<T>(self, expected: impl Into<String>) -> Result<T, Fault> {
        Err(Fault::WrongKind { expected: expected.into(), found: self.0.in_words() })
    }

    /// A number that is too large or fractional is named as what was expected, not by its kind.
    fn not_a_number<T>(self, expected: &str) -> Result<T, Fault> {
        match self.0.kind {
            Kind::Unsigned(_) | Kind::Signed(_) | Kind::Float(_) => {
                Err(Fault::Other(format!("expected {expected}")))
            }
            _ => self.wrong(expected),
        }
    }

    /// The value as a whole number; `20.0` and `2e1` are ones too.
    fn whole(self) -> Option<i128> {
        match self.0.kind {
            Kind::Unsigned(number) => Some(i128::from(number)),
            Kind::Signed(number) => Some(i128::from(number)),
            #[expect(
                clippy::cast_possible_truncation,
                reason = "whole and within i128 by the guard"
            )]
            Kind::Float(number) if number.fract() == 0.0 && number.abs() <= EXACT_FLOAT_MAX => {
                Some(number as i128)
            }
            _ => None,
        }
    }
}

impl<'de> IntoDeserializer<'de, Fault> for Reader<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// A method that reads a whole number of one size.
macro_rules! whole_number {
    ($method:ident, $visit:ident, $size:ty) => {
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            match self.whole().and_then(|number| <$size>::try_from(number).ok()) {
                Some(number) => visitor.$visit(number),
                None => {
                    let range = format!("{} to {}", <$size>::MIN, <$size>::MAX);
                    self.not_a_number(&format!("a whole number from {range}"))
                }
            }
        }
    };
}

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.0.kind {
            Kind::Null => visitor.visit_unit(),
            Kind::Bool(value) => visitor.visit_bool(*value),
            Kind::Unsigned(value) => visitor.visit_u64(*value),
            Kind::Signed(value) => visitor.visit_i64(*value),
            Kind::Float(value) => visitor.visit_f64(*value),
            Kind::Text(value) => visitor.visit_borrowed_str(value),
            Kind::List(list) => visitor.visit_seq(SeqDeserializer::new(list.iter().map(Reader))),
            Kind::Table(table) => visitor.visit_map(MapDeserializer::new(
                table.iter().map(|(key, node)| (key.as_str(), Reader(node))),
            )),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0.kind {
            Kind::Bool(value) => visitor.visit_bool(value),
            _ => self.wrong("true or false"),
        }
    }

    whole_number!(deserialize_u8, visit_u8, u8);
    whole_number!(deserialize_u16, visit_u16, u16);
    whole_number!(deserialize_u32, visit_u32, u32);
    whole_number!(deserialize_u64, visit_u64, u64);

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.0.kind {
            Kind::Text(text) => visitor.visit_borrowed_str(text),
            _ => self.wrong("a string"),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0.kind {
            Kind::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0.kind {
            Kind::List(_) => self.deserialize_any(visitor),
            _ => self.wrong("a list"),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0.kind {
            Kind::Table(_) => self.deserialize_any(visitor),
            _ => self.wrong("an object"),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        choices: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match &self.0.kind {
            Kind::Text(text) => visitor.visit_enum(text.as_str().into_deserializer()),
            _ => self.wrong(format!("one of {}", choices.join(", "))),
        }
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct
        identifier ignored_any
    }
}
