//! Scalar functions: a batch goes in as arrays, and comes out as one.

use aether::{Engine, Error, IntoValue as _, Object, Value};
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature};

use crate::Scripts;
use crate::columns::{Column, Open, Output};
use crate::declared::Declared;

/// How the script's function is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Calls {
    Rows,
    Columns,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Function {
    declared: Declared,
    calls: Calls,
}

pub(crate) fn udf(
    scripts: &Scripts,
    name: &str,
    arguments: Vec<DataType>,
    result: DataType,
    calls: Calls,
) -> ScalarUDF {
    ScalarUDF::from(Function {
        declared: Declared::new(scripts, name, arguments, result),
        calls,
    })
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        &self.declared.name
    }

    fn signature(&self) -> &Signature {
        &self.declared.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.declared.return_type(arguments)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let declared = &self.declared;
        let rows = args.number_rows;
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let columns: Option<Vec<Column>> = arrays.iter().map(Column::new).collect();
        let (Some(columns), Some(output)) = (columns, Output::new(&declared.result, rows)) else {
            return exec_err!("{}: scripts know no such type", declared.name);
        };
        let mut at = String::new();
        let called = declared.scripts.pool.with(|engine| {
            let function = declared.scripts.function(engine, &declared.name)?;
            match self.calls {
                Calls::Rows => by_rows(engine, &function, &columns, output, rows, &mut at),
                Calls::Columns => by_columns(engine, &function, columns, output, rows),
            }
        });
        match called {
            Ok(array) => Ok(ColumnarValue::Array(array)),
            Err(error) => Err(declared.scripts.error(&error, &at)),
        }
    }
}

fn by_rows(
    engine: &mut Engine,
    function: &Value,
    columns: &[Column],
    mut output: Output,
    rows: usize,
    at: &mut String,
) -> std::result::Result<ArrayRef, Error> {
    let mut values = vec![Value::Null; columns.len()];
    for row in 0..rows {
        let called = call_row(engine, function, columns, &mut values, row)
            .and_then(|value| output.push(&value).map_err(Error::message));
        if let Err(error) = called {
            *at = place(row, columns);
            return Err(error);
        }
    }
    Ok(output.finish())
}

/// Calls a function with the values of a row, which are left in `values`.
pub(crate) fn call_row(
    engine: &mut Engine,
    function: &Value,
    columns: &[Column],
    values: &mut [Value],
    row: usize,
) -> std::result::Result<Value, Error> {
    let first = values.len() - columns.len();
    for (value, column) in values[first..].iter_mut().zip(columns) {
        *value = column.value(engine.heap(), row)?;
    }
    engine.call_value(function, &*values)
}

/// Where in a batch an error was, for people.
pub(crate) fn place(row: usize, columns: &[Column]) -> String {
    let shown: Vec<String> = columns.iter().map(|column| column.show(row)).collect();
    format!(" (row {row} of the batch: {})", shown.join(", "))
}

fn by_columns(
    engine: &mut Engine,
    function: &Value,
    columns: Vec<Column>,
    output: Output,
    rows: usize,
) -> std::result::Result<ArrayRef, Error> {
    let heap = engine.heap().clone();
    let mut values = Vec::with_capacity(columns.len() + 1);
    for column in columns {
        values.push(column.into_value(&heap)?);
    }
    let open = Object::new(&heap, Open(Some(output)))?;
    values.push(open.clone().into_value(&heap)?);
    let called = engine.call_value(function, values.as_slice());
    // A script that keeps the output finds it closed.
    let output = open.borrow_mut()?.0.take();
    called?;
    match output {
        Some(output) if output.rows() == rows => Ok(output.finish()),
        Some(output) => Err(Error::message(format!(
            "{} values for {rows} rows",
            output.rows()
        ))),
        None => Err(Error::message("the output is gone")),
    }
}
