//! What queries give that call functions of scripts: `cargo test --release`.

use std::sync::Arc;

use aether_datafusion::Scripts;
use datafusion::arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::util::display::array_value_to_string;
use datafusion::datasource::MemTable;
use datafusion::error::Result;
use datafusion::prelude::{SessionConfig, SessionContext};

const SCRIPT: &str = r#"
fn half(n) { return n == null ? null : n / 2.0 }
fn shout(text) { return text == null ? null : text.upper() + "!" }
fn not(b) { return b == null ? null : !b }
fn wrong(n) { return n == 3 ? "three" : n }
fn deep(n) {
    return 10 / (n - 2)
}
fn hungry(n) { let all = []  while (true) { all.push("x".repeat(1000) + str(n)) } }
fn doubled(n, out) { for row in 0..n.length { out.push(n.is_null(row) ? null : n.int(row) * 2) } }
fn too_few(n, out) { out.push(1) }
fn total_start() { return [0] }
fn total_add(state, n) { state[0] += n ?? 0  return state }
fn total_merge(state, other) { return [state[0] + other[0]] }
fn total_finish(state) { return state[0] }
"#;

/// What a query gives over two partitions, a text for each row; nulls are empty.
fn ask(question: &str) -> Result<Vec<String>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()?;
    runtime.block_on(async {
        let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(2));
        let batch = |from: i64| {
            let columns: [(&str, ArrayRef); 4] = [
                (
                    "n",
                    Arc::new(Int64Array::from(vec![Some(from), None, Some(from + 1)])),
                ),
                ("f", Arc::new(Float64Array::from(vec![0.5, 1.5, 2.5]))),
                (
                    "b",
                    Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
                ),
                ("t", Arc::new(StringArray::from(vec![Some("a"), None, Some("é")]))),
            ];
            RecordBatch::try_from_iter(columns)
        };
        let (first, second) = (batch(1)?, batch(3)?);
        let table = MemTable::try_new(first.schema(), vec![vec![first], vec![second]])?;
        context.register_table("t", Arc::new(table))?;
        let scripts = Scripts::new("test.ae", SCRIPT, 8 << 20)
            .map_err(|error| datafusion::error::DataFusionError::Execution(error.to_string()))?;
        let (int, float, bool, text) = (
            DataType::Int64,
            DataType::Float64,
            DataType::Boolean,
            DataType::Utf8,
        );
        context.register_udf(scripts.by_rows("half", vec![int.clone()], float));
        context.register_udf(scripts.by_rows("shout", vec![text.clone()], text));
        context.register_udf(scripts.by_rows("not", vec![bool.clone()], bool));
        for name in ["wrong", "deep", "hungry"] {
            context.register_udf(scripts.by_rows(name, vec![int.clone()], int.clone()));
        }
        for name in ["doubled", "too_few"] {
            context.register_udf(scripts.by_columns(name, vec![int.clone()], int.clone()));
        }
        context.register_udaf(scripts.aggregate("total", vec![int.clone()], int));
        let mut rows = Vec::new();
        for batch in context.sql(question).await?.collect().await? {
            for row in 0..batch.num_rows() {
                let values: Result<Vec<String>, _> = batch
                    .columns()
                    .iter()
                    .map(|column| array_value_to_string(column, row))
                    .collect();
                rows.push(values?.join(" "));
            }
        }
        Ok(rows)
    })
}

fn error(question: &str) -> String {
    ask(question).map_or_else(|error| error.to_string(), |rows| format!("{rows:?}"))
}

#[test]
fn rows_keep_their_types_and_nulls() -> Result<()> {
    assert_eq!(
        ask("SELECT half(n) FROM t WHERE n = 3 OR n = 1 ORDER BY n")?,
        ["0.5", "1.5"]
    );
    assert_eq!(ask("SELECT count(*) FROM t WHERE half(n) IS NULL")?, ["2"]);
    assert_eq!(
        ask("SELECT shout(t) FROM t WHERE n = 2 OR n = 3 ORDER BY n")?,
        ["É!", "A!"]
    );
    assert_eq!(ask("SELECT \"not\"(b) FROM t WHERE n = 1")?, ["false"]);
    Ok(())
}

#[test]
fn columns_go_in_and_out() -> Result<()> {
    assert_eq!(ask("SELECT sum(doubled(n)), count(doubled(n)) FROM t")?, ["20 4"]);
    let text = error("SELECT too_few(n) FROM t");
    assert!(text.contains("1 values for 3 rows"), "{text}");
    Ok(())
}

#[test]
fn aggregates_merge_what_threads_have_gathered() -> Result<()> {
    assert_eq!(ask("SELECT total(n) FROM t")?, ["10"]);
    assert_eq!(
        ask("SELECT t, total(n) FROM t WHERE t IS NOT NULL GROUP BY t ORDER BY t")?,
        ["a 4", "é 6"]
    );
    assert_eq!(ask("SELECT total(n) FROM t WHERE n > 100")?, ["0"]);
    Ok(())
}

#[test]
fn errors_name_the_line_and_the_row() {
    let text = error("SELECT deep(n) FROM t WHERE n IS NOT NULL");
    assert!(
        text.contains("test.ae:7: Division by zero (row 1 of the batch: 2)"),
        "{text}"
    );
    let text = error("SELECT wrong(n) FROM t WHERE n > 0");
    assert!(
        text.contains("expected int, got string (row 0 of the batch: 3)"),
        "{text}"
    );
    let text = error("SELECT hungry(n) FROM t");
    assert!(text.contains("test.ae:9: Memory limit exceeded"), "{text}");
}
