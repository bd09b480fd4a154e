//! Another language over the same heap: a stack language with lists, whose memory is counted, bounded and collected.
//!
//! `cargo run -p aether-value --example lists -- 'list dup dup push drop live collect live'`
//!
//! Words are separated by blanks. A number pushes itself, `list` an empty list; `push` takes a value and the list below
//! it and appends the one to the other, leaving the list; `pop`, `len`, `+`, `dup`, `drop`, `swap` and `show` do what
//! their names say; `live` prints how many objects are alive, `collect` looks for cycles.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

use aether_value::{Heap, HeapConfig, Raise, Rc, Value, display_text};

/// A run: the heap, and the stack of values that the program sees.
struct Machine {
    heap: Heap,
    stack: Vec<Value>,
    output: String,
}

impl Machine {
    fn new(limit: usize) -> Self {
        let config = HeapConfig {
            limit: Some(limit),
            ..HeapConfig::default()
        };
        Self {
            heap: Heap::new(config),
            stack: Vec::new(),
            output: String::new(),
        }
    }

    fn take(&mut self) -> Result<Value, Raise> {
        self.stack
            .pop()
            .ok_or_else(|| Raise::operation("the stack is empty"))
    }

    fn take_list(&mut self) -> Result<Rc<aether_value::Array>, Raise> {
        match self.take()? {
            Value::Array(list) => Ok(list),
            other => Err(Raise::type_error("list", &other.type_name())),
        }
    }

    fn take_int(&mut self) -> Result<i64, Raise> {
        let value = self.take()?;
        value
            .as_int()
            .ok_or_else(|| Raise::type_error("int", &value.type_name()))
    }

    fn word(&mut self, word: &str) -> Result<(), Raise> {
        match word {
            // Every object is charged before it is made: at the limit this is an error, and nothing has changed.
            "list" => self.stack.push(Value::Array(self.heap.array(0)?)),
            "push" => {
                let (value, list) = (self.take()?, self.take_list()?);
                list.push(value)?;
                self.stack.push(Value::Array(list));
            }
            "pop" => {
                let list = self.take_list()?;
                let value = list.pop()?.ok_or_else(|| Raise::operation("the list is empty"))?;
                self.stack.push(value);
            }
            "len" => {
                let len = self.take_list()?.len();
                self.stack.push(Value::Int(len as i64));
            }
            "+" => {
                let (right, left) = (self.take_int()?, self.take_int()?);
                let sum = left
                    .checked_add(right)
                    .ok_or_else(|| Raise::overflow(left, "+", right))?;
                self.stack.push(Value::Int(sum));
            }
            "dup" => {
                let value = self.take()?;
                // A clone is a count.
                self.stack.extend([value.clone(), value]);
            }
            "swap" => {
                let (upper, lower) = (self.take()?, self.take()?);
                self.stack.extend([upper, lower]);
            }
            // What nothing refers to any more is gone when this returns.
            "drop" => drop(self.take()?),
            "show" => {
                let value = self.take()?;
                let text = display_text(&self.heap, &value)?;
                self.line(text.as_str());
            }
            "live" => self.line(&self.heap.live_objects().to_string()),
            "collect" => {
                self.heap.collect();
            }
            number => {
                let value = number
                    .parse()
                    .map_err(|_| Raise::operation(&format!("unknown word '{number}'")))?;
                self.stack.push(Value::Int(value));
            }
        }
        Ok(())
    }

    fn line(&mut self, text: &str) {
        self.output.push_str(text);
        self.output.push('\n');
    }
}

/// What a program prints within a budget of bytes.
fn run(program: &str, limit: usize) -> Result<String, Raise> {
    let mut machine = Machine::new(limit);
    for word in program.split_whitespace() {
        machine.word(word)?;
    }
    Ok(machine.output)
}

fn main() -> std::process::ExitCode {
    let program = std::env::args().skip(1).collect::<Vec<_>>().join(" ");
    match run(&program, 1 << 20) {
        Ok(output) => {
            print!("{output}");
            std::process::ExitCode::SUCCESS
        }
        Err(raise) => {
            eprintln!("{raise}");
            std::process::ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: usize = 1 << 20;

    #[test]
    fn lists_are_counted_and_cycles_collected() -> Result<(), Raise> {
        assert_eq!(run("list 1 push list 2 push push show", BUDGET)?, "[1, [2]]\n");
        // Dropped, a list is gone; a list in itself is not until the collector finds it, with its items.
        assert_eq!(run("list live drop live", BUDGET)?, "1\n0\n");
        assert_eq!(
            run("list dup dup push drop drop live collect live", BUDGET)?,
            "2\n0\n"
        );
        Ok(())
    }

    #[test]
    fn a_budget_is_an_error() {
        let program = format!("list {}", "list push ".repeat(100_000));
        let error = run(&program, BUDGET).unwrap_err();
        assert!(error.message().starts_with("Memory limit exceeded: "), "{error}");
        assert_eq!(
            run("drop", BUDGET).unwrap_err().message(),
            "Invalid operation: the stack is empty"
        );
    }
}
