//! Reading and building JSON under the rules that the colibri2 forms share: unknown members are
//! skipped, null is missing, a wrong type is an error.

use serde_json::{Map, Number, Value};

use crate::ParseError;
use crate::attributes::Attributes;
use crate::limits::MAX_JSON_DEPTH;
use crate::xml::collect;

/// A value with a JSON form.
pub(crate) trait JsonForm: Sized {
    fn from_json(value: &Value) -> Result<Self, ParseError>;
    fn to_json(&self) -> Value;
}

/// An object to read from, under the name that errors call it by.
#[derive(Clone, Copy)]
pub(crate) struct ObjectReader<'a> {
    object: &'a Map<String, Value>,
    label: &'static str,
}

impl<'a> ObjectReader<'a> {
    pub(crate) fn new(value: &'a Value, label: &'static str) -> Result<Self, ParseError> {
        let object = value.as_object().ok_or(ParseError::UnexpectedRoot { expected: label })?;
        Ok(Self { object, label })
    }

    /// The root of a document.
    pub(crate) fn root(value: &'a Value, label: &'static str) -> Result<Self, ParseError> {
        check_depth(value, MAX_JSON_DEPTH)?;
        Self::new(value, label)
    }

    /// A member that is there and not null.
    pub(crate) fn member(&self, name: &str) -> Option<&'a Value> {
        self.object.get(name).filter(|value| !value.is_null())
    }

    pub(crate) fn flag(&self, name: &'static str) -> Result<Option<bool>, ParseError> {
        self.typed(name, "a boolean", Value::as_bool)
    }

    pub(crate) fn is_true(&self, name: &'static str) -> Result<bool, ParseError> {
        Ok(self.flag(name)?.unwrap_or(false))
    }

    /// A whole number; a fraction is cut off.
    pub(crate) fn number<T: TryFrom<i64>>(
        &self,
        name: &'static str,
    ) -> Result<Option<T>, ParseError> {
        let Some(number) = self.typed(name, "a number", whole)? else { return Ok(None) };
        T::try_from(number)
            .map(Some)
            .map_err(|_| ParseError::invalid(self.label, name, &number.to_string()))
    }

    /// A word of an enumeration.
    pub(crate) fn named<T>(
        &self,
        name: &'static str,
        from_name: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, ParseError> {
        let Some(value) = self.typed(name, "a string", Value::as_str)? else { return Ok(None) };
        from_name(value).map(Some).ok_or_else(|| ParseError::invalid(self.label, name, value))
    }

    /// The member as a value with its own form.
    pub(crate) fn first<T: JsonForm>(&self, name: &str) -> Result<Option<T>, ParseError> {
        self.member(name).map(T::from_json).transpose()
    }

    /// The entries of an array; a missing one is empty.
    pub(crate) fn all<T: JsonForm>(
        &self,
        name: &'static str,
        limit: usize,
    ) -> Result<Vec<T>, ParseError> {
        self.filter_map(name, limit, |value| T::from_json(value).map(Some))
    }

    /// What `read` makes of the entries of an array, without those it skips.
    pub(crate) fn filter_map<T>(
        &self,
        name: &'static str,
        limit: usize,
        read: impl FnMut(&'a Value) -> Result<Option<T>, ParseError>,
    ) -> Result<Vec<T>, ParseError> {
        let Some(entries) = self.typed(name, "an array", Value::as_array)? else {
            return Ok(Vec::new());
        };
        collect(entries.iter(), name, limit, read)
    }

    /// The strings of an array, each of at most `bytes`.
    pub(crate) fn strings(
        &self,
        name: &'static str,
        limit: usize,
        bytes: usize,
    ) -> Result<Vec<&'a str>, ParseError> {
        self.filter_map(name, limit, |entry| {
            let text = entry.as_str().ok_or(self.wrong_type(name, "an array of strings"))?;
            if text.len() > bytes {
                return Err(ParseError::TooLong { element: self.label, name, limit: bytes });
            }
            Ok(Some(text))
        })
    }

    /// The members of an object whose values are texts (or numbers and booleans as text).
    pub(crate) fn texts(
        &self,
        name: &'static str,
        limit: usize,
    ) -> Result<Vec<(&'a str, String)>, ParseError> {
        let Some(object) = self.typed(name, "an object", Value::as_object)? else {
            return Ok(Vec::new());
        };
        collect(object.iter(), name, limit, |(key, value)| {
            let value =
                scalar(value).ok_or_else(|| self.wrong_type(name, "an object of strings"))?;
            Ok(Some((key.as_str(), value)))
        })
    }

    const fn wrong_type(&self, name: &'static str, expected: &'static str) -> ParseError {
        ParseError::WrongType { element: self.label, name, expected }
    }

    fn typed<T>(
        &self,
        name: &'static str,
        expected: &'static str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, ParseError> {
        let Some(value) = self.member(name) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| self.wrong_type(name, expected))
    }
}

impl Attributes for ObjectReader<'_> {
    fn label(&self) -> &'static str {
        self.label
    }

    fn attribute(&self, name: &'static str) -> Result<Option<String>, ParseError> {
        self.typed(name, "a string", |value| value.as_str().map(str::to_owned))
    }
}

/// The members of an object that may be strings, numbers or booleans alike.
pub(crate) struct Scalars<'a>(pub(crate) ObjectReader<'a>);

impl Attributes for Scalars<'_> {
    fn label(&self) -> &'static str {
        self.0.label
    }

    fn attribute(&self, name: &'static str) -> Result<Option<String>, ParseError> {
        self.0.typed(name, "a string or number", scalar)
    }
}

/// A string, number or boolean as text.
pub(crate) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// A number without its fraction, clipped to 64 bits.
pub(crate) fn whole(value: &Value) -> Option<i64> {
    value.as_number().map(whole_number)
}

pub(crate) fn whole_number(number: &Number) -> i64 {
    match (number.as_i64(), number.as_u64(), number.as_f64()) {
        (Some(number), _, _) => number,
        (None, Some(_), _) => i64::MAX,
        (None, None, number) => number.map_or(0, |number| number as i64),
    }
}

/// Inserts the array of the forms of `values` unless it is empty.
pub(crate) fn insert_all<T: JsonForm>(object: &mut Map<String, Value>, name: &str, values: &[T]) {
    if !values.is_empty() {
        object.insert(name.to_owned(), values.iter().map(JsonForm::to_json).collect());
    }
}

/// Inserts the form of `value` if there is one.
pub(crate) fn insert_some<T: JsonForm>(
    object: &mut Map<String, Value>,
    name: &str,
    value: Option<&T>,
) {
    if let Some(value) = value {
        object.insert(name.to_owned(), value.to_json());
    }
}

/// Inserts a text if there is one.
pub(crate) fn insert_text(object: &mut Map<String, Value>, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        object.insert(name.to_owned(), value.into());
    }
}

/// Inserts a boolean that is false if not said.
pub(crate) fn insert_true(object: &mut Map<String, Value>, name: &str, value: bool) {
    if value {
        object.insert(name.to_owned(), true.into());
    }
}

/// Whoever parsed the text may have allowed more depth than is used here.
fn check_depth(value: &Value, left: usize) -> Result<(), ParseError> {
    let Some(left) = left.checked_sub(1) else {
        return Err(ParseError::TooDeep { limit: MAX_JSON_DEPTH });
    };
    match value {
        Value::Array(entries) => entries.iter().try_for_each(|entry| check_depth(entry, left)),
        Value::Object(object) => object.values().try_for_each(|member| check_depth(member, left)),
        _ => Ok(()),
    }
}
