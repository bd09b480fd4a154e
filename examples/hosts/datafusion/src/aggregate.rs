//! Aggregates: a state that starts, takes rows, is merged with others, and gives a result.
//!
//! Invariant: an accumulator may be used by one thread after the other, so between two calls its state is a message of
//! no engine. What it hands to other accumulators is JSON, which a message between processes may carry too.

use std::sync::Arc;

use aether::{Engine, Error, FromValue as _, IntoValue as _, Message, Value};
use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Signature};

use crate::Scripts;
use crate::columns::{Column, Output};
use crate::declared::Declared;
use crate::scalar::{call_row, place};

#[derive(Debug, PartialEq, Eq, Hash)]
struct Function(Declared);

pub(crate) fn udf(scripts: &Scripts, name: &str, arguments: Vec<DataType>, result: DataType) -> AggregateUDF {
    AggregateUDF::from(Function(Declared::new(scripts, name, arguments, result)))
}

impl AggregateUDFImpl for Function {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn signature(&self) -> &Signature {
        &self.0.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.0.return_type(arguments)
    }

    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(State {
            scripts: self.0.scripts.clone(),
            name: self.0.name.clone(),
            result: self.0.result.clone(),
            state: None,
        }))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(
            format!("{}_state", args.name),
            DataType::Utf8,
            true,
        ))])
    }
}

struct State {
    scripts: Scripts,
    name: String,
    result: DataType,
    /// None before the first row.
    state: Option<Message>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl State {
    fn function(&self, engine: &Engine, part: &str) -> std::result::Result<Value, Error> {
        self.scripts.function(engine, &format!("{}_{part}", self.name))
    }

    /// The state as a value of a thread's engine.
    fn value(&self, engine: &mut Engine) -> std::result::Result<Value, Error> {
        match &self.state {
            Some(state) => engine.value_of(state),
            None => {
                let start = self.function(engine, "start")?;
                engine.call_value(&start, ())
            }
        }
    }

    /// Puts values into the state, one after the other; `each` gives the next state.
    fn update(
        &mut self,
        part: &str,
        rows: usize,
        columns: &[Column],
        mut each: impl FnMut(
            &mut Engine,
            &Value,
            &mut [Value],
            usize,
        ) -> std::result::Result<Option<Value>, Error>,
    ) -> Result<()> {
        let mut at = String::new();
        let updated = self.scripts.pool.clone().with(|engine| {
            let function = self.function(engine, part)?;
            let mut values = vec![Value::Null; columns.len() + 1];
            values[0] = self.value(engine)?;
            for row in 0..rows {
                match each(engine, &function, &mut values, row) {
                    Ok(Some(state)) => values[0] = state,
                    Ok(None) => {}
                    Err(error) => {
                        at = place(row, columns);
                        return Err(error);
                    }
                }
            }
            engine.message(&values[0])
        });
        match updated {
            Ok(state) => {
                self.state = Some(state);
                Ok(())
            }
            Err(error) => Err(self.scripts.error(&error, &at)),
        }
    }
}

impl Accumulator for State {
    fn update_batch(&mut self, arrays: &[ArrayRef]) -> Result<()> {
        let Some(columns) = arrays.iter().map(Column::new).collect::<Option<Vec<Column>>>() else {
            return exec_err!("{}: scripts know no such type", self.name);
        };
        let rows = columns.first().map_or(0, Column::rows);
        self.update("add", rows, &columns, |engine, function, values, row| {
            call_row(engine, function, &columns, values, row).map(Some)
        })
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let Some(states) = states.first() else {
            return Ok(());
        };
        let column = Column::new(states).into_iter().collect::<Vec<_>>();
        let texts = states.as_string::<i32>();
        self.update("merge", states.len(), &column, |engine, function, values, row| {
            if texts.is_null(row) {
                return Ok(None);
            }
            let text = texts.value(row).into_value(engine.heap())?;
            let parse = engine
                .prelude_value("json_parse")
                .ok_or_else(|| Error::message("no json_parse"))?;
            let other = engine.call_value(&parse, [text].as_slice())?;
            engine
                .call_value(function, [values[0].clone(), other].as_slice())
                .map(Some)
        })
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        if self.state.is_none() {
            return Ok(vec![ScalarValue::Utf8(None)]);
        }
        let text = self.scripts.pool.with(|engine| {
            let state = self.value(engine)?;
            let write = engine
                .prelude_value("json_stringify")
                .ok_or_else(|| Error::message("no json_stringify"))?;
            let text = engine.call_value(&write, [state].as_slice())?;
            String::from_value(&text)
        });
        match text {
            Ok(text) => Ok(vec![ScalarValue::Utf8(Some(text))]),
            Err(error) => Err(self.scripts.error(&error, "")),
        }
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let finished = self.scripts.pool.with(|engine| {
            let state = self.value(engine)?;
            let finish = self.function(engine, "finish")?;
            let value = engine.call_value(&finish, [state].as_slice())?;
            let mut output = Output::new(&self.result, 1).ok_or_else(|| Error::message("unknown type"))?;
            output.push(&value).map_err(Error::message)?;
            Ok(output.finish())
        });
        match finished {
            Ok(array) => ScalarValue::try_from_array(&array, 0),
            Err(error) => Err(self.scripts.error(&error, "")),
        }
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.state.as_ref().map_or(0, Message::size)
    }
}
