//! Columns as scripts see them: views of Arrow arrays, and outputs that become Arrow arrays.
//!
//! Invariant: a view holds a count of its array, whose buffers it reads; nothing of a number is copied but the one that
//! is asked for, nothing of a text unless the script asks for the text itself.

use std::sync::Arc;

use aether::{AetherType, Engine, Error, Heap, IntoValue, TypeBuilder, Value};
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, BooleanBufferBuilder, Float64Array, Int64Array, StringArray,
    StringBuilder,
};
use datafusion::arrow::buffer::{NullBuffer, ScalarBuffer};
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::arrow::util::display::array_value_to_string;

/// A column of a batch.
#[derive(Clone)]
pub struct Column(Data);

#[derive(Clone)]
enum Data {
    Ints(Int64Array),
    Floats(Float64Array),
    Bools(BooleanArray),
    Texts(StringArray),
}

/// What a query may hand to scripts.
pub(crate) fn is_supported(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Int64 | DataType::Float64 | DataType::Boolean | DataType::Utf8
    )
}

impl Column {
    /// A view of an array, if it is of a type that scripts know.
    pub fn new(array: &ArrayRef) -> Option<Self> {
        Some(Self(match array.data_type() {
            DataType::Int64 => Data::Ints(array.as_primitive::<Int64Type>().clone()),
            DataType::Float64 => Data::Floats(array.as_primitive::<Float64Type>().clone()),
            DataType::Boolean => Data::Bools(array.as_boolean().clone()),
            DataType::Utf8 => Data::Texts(array.as_string::<i32>().clone()),
            _ => return None,
        }))
    }

    fn array(&self) -> &dyn Array {
        match &self.0 {
            Data::Ints(array) => array,
            Data::Floats(array) => array,
            Data::Bools(array) => array,
            Data::Texts(array) => array,
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.array().len()
    }

    /// A row's value for a script.
    ///
    /// # Errors
    /// The script's budget does not hold it.
    pub fn value(&self, heap: &Heap, row: usize) -> Result<Value, Error> {
        if self.array().is_null(row) {
            return Ok(Value::Null);
        }
        Ok(match &self.0 {
            Data::Ints(array) => Value::Int(array.value(row)),
            Data::Floats(array) => Value::Float(array.value(row)),
            Data::Bools(array) => Value::Bool(array.value(row)),
            Data::Texts(array) => array.value(row).into_value(heap)?,
        })
    }

    /// A row's value for people.
    pub(crate) fn show(&self, row: usize) -> String {
        array_value_to_string(self.array(), row).unwrap_or_else(|error| error.to_string())
    }

    /// A row that a script has asked for.
    fn row(&self, row: i64) -> Result<usize, String> {
        let rows = self.rows();
        usize::try_from(row)
            .ok()
            .filter(|&row| row < rows)
            .ok_or_else(|| format!("row {row} of a column of {rows} rows"))
    }

    /// The text of a row; none for null.
    fn text(&self, row: i64) -> Result<Option<&str>, String> {
        let row = self.row(row)?;
        match &self.0 {
            Data::Texts(array) => Ok(array.is_valid(row).then(|| array.value(row))),
            _ => Err("this column holds no texts".to_owned()),
        }
    }
}

impl AetherType for Column {
    const NAME: &'static str = "Column";

    fn describe(t: &mut TypeBuilder<Self>) {
        t.getter("length", |column| column.rows() as i64)
            .method("is_null", |column: &Self, row: i64| {
                Ok::<bool, String>(column.array().is_null(column.row(row)?))
            })
            .method("int", |column: &Self, row: i64| match &column.0 {
                Data::Ints(array) => Ok(array.value(column.row(row)?)),
                _ => Err("this column holds no ints".to_owned()),
            })
            .method("float", |column: &Self, row: i64| match &column.0 {
                Data::Floats(array) => Ok(array.value(column.row(row)?)),
                _ => Err("this column holds no floats".to_owned()),
            })
            .method("bool", |column: &Self, row: i64| match &column.0 {
                Data::Bools(array) => Ok(array.value(column.row(row)?)),
                _ => Err("this column holds no bools".to_owned()),
            })
            .method("text", |column: &Self, row: i64| {
                Ok::<Option<String>, String>(column.text(row)?.map(str::to_owned))
            })
            // What a script asks of a text without having it.
            .method("bytes", |column: &Self, row: i64| {
                Ok::<i64, String>(column.text(row)?.map_or(0, |text| text.len() as i64))
            })
            .method("equals", |column: &Self, row: i64, other: String| {
                Ok::<bool, String>(column.text(row)? == Some(other.as_str()))
            })
            .method("contains", |column: &Self, row: i64, part: String| {
                Ok::<bool, String>(column.text(row)?.is_some_and(|text| text.contains(&part)))
            })
            .method("starts_with", |column: &Self, row: i64, part: String| {
                Ok::<bool, String>(column.text(row)?.is_some_and(|text| text.starts_with(&part)))
            })
            .method("ends_with", |column: &Self, row: i64, part: String| {
                Ok::<bool, String>(column.text(row)?.is_some_and(|text| text.ends_with(&part)))
            });
    }
}

/// A column that is being made.
pub struct Output {
    values: Values,
    /// For numbers and bools; texts know their own.
    validity: BooleanBufferBuilder,
}

enum Values {
    Ints(Vec<i64>),
    Floats(Vec<f64>),
    Bools(BooleanBufferBuilder),
    Texts(StringBuilder),
}

impl Output {
    /// An output of a supported type with room for so many rows.
    pub fn new(data_type: &DataType, rows: usize) -> Option<Self> {
        let values = match data_type {
            DataType::Int64 => Values::Ints(Vec::with_capacity(rows)),
            DataType::Float64 => Values::Floats(Vec::with_capacity(rows)),
            DataType::Boolean => Values::Bools(BooleanBufferBuilder::new(rows)),
            DataType::Utf8 => Values::Texts(StringBuilder::with_capacity(rows, rows * 8)),
            _ => return None,
        };
        Some(Self {
            values,
            validity: BooleanBufferBuilder::new(rows),
        })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// The value is of another type than the column.
    pub fn push(&mut self, value: &Value) -> Result<(), String> {
        match (&mut self.values, value) {
            (Values::Ints(ints), Value::Int(value)) => ints.push(*value),
            (Values::Ints(ints), Value::Null) => ints.push(0),
            (Values::Floats(floats), Value::Float(value)) => floats.push(*value),
            (Values::Floats(floats), Value::Int(value)) => floats.push(*value as f64),
            (Values::Floats(floats), Value::Null) => floats.push(0.0),
            (Values::Bools(bools), Value::Bool(value)) => bools.append(*value),
            (Values::Bools(bools), Value::Null) => bools.append(false),
            (Values::Texts(texts), Value::String(value)) => texts.append_value(value.as_str()),
            (Values::Texts(texts), Value::Null) => texts.append_null(),
            (values, value) => {
                let wanted = match values {
                    Values::Ints(_) => "int",
                    Values::Floats(_) => "float",
                    Values::Bools(_) => "bool",
                    Values::Texts(_) => "string",
                };
                return Err(format!("expected {wanted}, got {}", value.type_name()));
            }
        }
        self.validity.append(!matches!(value, Value::Null));
        Ok(())
    }

    /// Rows so far.
    pub fn rows(&self) -> usize {
        self.validity.len()
    }

    /// The array, whose buffers are those that were filled.
    pub fn finish(mut self) -> ArrayRef {
        let validity = self.validity.finish();
        let nulls = Some(NullBuffer::new(validity)).filter(|nulls| nulls.null_count() > 0);
        match self.values {
            Values::Ints(values) => Arc::new(Int64Array::new(ScalarBuffer::from(values), nulls)),
            Values::Floats(values) => Arc::new(Float64Array::new(ScalarBuffer::from(values), nulls)),
            Values::Bools(mut values) => Arc::new(BooleanArray::new(values.finish(), nulls)),
            Values::Texts(mut texts) => Arc::new(texts.finish()),
        }
    }
}

/// An output while a script has it.
pub struct Open(pub(crate) Option<Output>);

impl AetherType for Open {
    const NAME: &'static str = "Output";

    fn describe(t: &mut TypeBuilder<Self>) {
        t.getter("length", |open| open.0.as_ref().map_or(0, Output::rows) as i64)
            .method_mut("push", |open: &mut Self, value: Value| match &mut open.0 {
                Some(output) => output.push(&value),
                None => Err("the batch of this output is over".to_owned()),
            });
    }
}

/// Makes the types known to an engine.
pub(crate) fn register(engine: &mut Engine) -> Result<(), Error> {
    engine.register_type::<Column>()?;
    engine.register_type::<Open>()
}
