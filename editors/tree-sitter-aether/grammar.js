// The grammar of Aether for tree-sitter. What depends on lines and on the words before (which bracket calls, which brace
// begins a block, where `loop` is a keyword) is decided by src/scanner.c.

const POWER = {
  coalesce: 1, ternary: 2, or: 3, and: 4, bit_or: 5, bit_xor: 6, bit_and: 7, equality: 8, comparison: 9, range: 10,
  shift: 11, additive: 12, term: 13, exponent: 14, prefix: 15, postfix: 16,
};

const RESERVED = [
  'as', 'async', 'await', 'break', 'catch', 'continue', 'debugger', 'else', 'enum', 'false', 'finally', 'fn', 'for',
  'from', 'if', 'import', 'in', 'let', 'match', 'null', 'return', 'struct', 'throw', 'true', 'try', 'while',
];

const commas = rule => optional(seq(rule, repeat(seq(',', rule)), optional(',')));

module.exports = grammar({
  name: 'aether',

  word: $ => $.identifier,

  externals: $ => [
    $._call_open,
    $._index_open,
    $._struct_open,
    $._block_open,
    $._dict_open,
    $._head,
    $._same_line,
    $._const,
    $._defer,
    $._loop,
    $._yield,
    $._not_in,
  ],

  extras: $ => [/\s/, /\uFEFF/, $.line_comment, $.block_comment],

  conflicts: $ => [
    [$._expression, $._parameter],
    [$.function_declaration, $._name],
  ],

  supertypes: $ => [$._expression, $._statement, $._pattern],

  rules: {
    source_file: $ => seq(optional($.shebang), repeat($._item)),

    shebang: _ => token(prec(2, /#![^\n]*/)),
    line_comment: _ => token(/\/\/[^\n]*/),
    block_comment: _ => token(seq('/*', /[^*]*\*+([^/*][^*]*\*+)*/, '/')),

    _item: $ => choice($._statement, ';'),

    // --- statements ---

    _statement: $ => choice(
      $.let_statement, $.const_statement, $.function_declaration, $.struct_declaration, $.enum_declaration,
      $.import_statement, $.from_import_statement, $.block, $.if_statement, $.while_statement, $.loop_statement,
      $.for_statement, $.labelled_statement, $.try_statement, $.return_statement, $.yield_statement,
      $.throw_statement, $.break_statement, $.continue_statement, $.defer_statement, $.debugger_statement,
      $.assignment, $.expression_statement,
    ),

    block: $ => seq(alias($._block_open, '{'), repeat($._item), '}'),

    let_statement: $ => seq('let', $._binding, optional($._annotation), '=', field('value', $._expression)),
    const_statement: $ => seq(alias($._const, 'const'), $._binding, optional($._annotation), '=', field('value', $._expression)),
    _annotation: $ => seq(':', field('type', $._type)),

    _binding: $ => choice($.identifier, $.array_binding, $.dict_binding),
    array_binding: $ => seq('[', commas(choice($.rest_binding, $.default_binding, $.identifier)), ']'),
    default_binding: $ => seq($.identifier, '=', $._expression),
    rest_binding: $ => seq('...', $.identifier),
    dict_binding: $ => seq($._any_brace, commas($.entry_binding), '}'),
    entry_binding: $ => seq($.identifier, optional(seq(':', $.identifier)), optional(seq('=', $._expression))),
    _any_brace: $ => choice(alias($._dict_open, '{'), alias($._block_open, '{'), alias($._struct_open, '{')),

    function_declaration: $ => seq(optional('async'), 'fn', field('name', $.identifier), $.parameters, optional($.result), field('body', $.block)),
    parameters: $ => seq('(', commas($._parameter), ')'),
    _parameter: $ => choice($.identifier, $.typed_parameter, $.default_parameter, $.rest_parameter),
    typed_parameter: $ => seq($.identifier, $._annotation),
    default_parameter: $ => seq($.identifier, optional($._annotation), '=', $._expression),
    rest_parameter: $ => seq('...', $.identifier, optional($._annotation)),
    result: $ => seq('->', $._type),

    _type: $ => choice($.type_name, $.optional_type, $.union_type),
    type_name: $ => prec.right(seq(choice($.identifier, 'null', 'fn'), optional(seq('[', commas($._type), ']')))),
    optional_type: $ => prec(2, seq($._type, '?')),
    union_type: $ => prec.left(1, seq($._type, '|', $._type)),

    struct_declaration: $ => seq('struct', field('name', $.identifier), $._any_brace, repeat(choice($.function_declaration, $.field, ',', ';')), '}'),
    field: $ => seq(field('name', $._name), optional($._annotation), optional(seq('=', $._expression))),
    enum_declaration: $ => seq('enum', field('name', $.identifier), $._any_brace, repeat(choice($.variant, ',', ';')), '}'),
    variant: $ => seq(field('name', $.identifier), optional(seq('(', commas($.identifier), ')'))),

    import_statement: $ => prec.right(seq('import', $.identifier, optional(seq('as', $.identifier)))),
    from_import_statement: $ => prec.right(seq('from', $.identifier, 'import', $.import_item, repeat(seq(',', $.import_item)), optional(','))),
    import_item: $ => prec.right(seq($.identifier, optional(seq('as', $.identifier)))),

    if_statement: $ => prec.right(seq('if', $._condition, $._statement, optional(seq(optional(';'), 'else', $._statement)))),
    _condition: $ => seq('(', field('condition', $._expression), ')'),
    while_statement: $ => seq('while', $._condition, $._statement),
    loop_statement: $ => seq(alias($._loop, 'loop'), $.block),
    for_statement: $ => seq('for', $._loop_binding, 'in', $._head, field('iterable', $._expression), $._statement),
    _loop_binding: $ => choice($.identifier, $.pair_binding, $.array_binding, $.dict_binding),
    pair_binding: $ => seq($.identifier, ',', $.identifier),
    labelled_statement: $ => seq(field('label', $.identifier), ':', choice($.while_statement, $.for_statement, $.loop_statement)),
    try_statement: $ => prec.right(seq('try', $.block, optional($.catch_clause), optional($.finally_clause))),
    catch_clause: $ => seq('catch', optional(seq('(', $.identifier, ')')), $.block),
    finally_clause: $ => seq('finally', $.block),

    return_statement: $ => prec.right(seq('return', optional(seq($._same_line, $._expression)))),
    yield_statement: $ => prec.right(seq(alias($._yield, 'yield'), optional(seq($._same_line, $._expression)))),
    throw_statement: $ => seq('throw', $._expression),
    break_statement: $ => prec.right(seq('break', optional(seq($._same_line, field('label', $.identifier))))),
    continue_statement: $ => prec.right(seq('continue', optional(seq($._same_line, field('label', $.identifier))))),
    defer_statement: $ => seq(alias($._defer, 'defer'), choice($.block, $._expression)),
    debugger_statement: _ => 'debugger',

    assignment: $ => prec.right(seq(
      field('target', $._expression),
      field('operator', choice('=', '+=', '-=', '*=', '/=', '%=', '**=', '&=', '|=', '^=', '<<=', '>>=', '&&=', '||=', '??=')),
      field('value', $._expression),
    )),
    expression_statement: $ => $._expression,

    // --- expressions ---

    _expression: $ => choice(
      $.identifier, $.integer, $.float, $.string, $.triple_string, $.true, $.false, $.null, $.array, $.dict,
      $.array_comprehension, $.dict_comprehension, $.group, $.struct_literal, $.function, $.arrow, $.match_expression,
      $.unary, $.binary, $.ternary, $.call, $.index, $.slice, $.member,
    ),

    true: _ => 'true',
    false: _ => 'false',
    null: _ => 'null',
    identifier: _ => /[\p{Alphabetic}_][\p{Alphabetic}\p{N}_]*/,
    integer: _ => token(choice(/[0-9](_?[0-9])*/, /0x[0-9a-fA-F](_?[0-9a-fA-F])*/, /0o[0-7](_?[0-7])*/, /0b[01](_?[01])*/)),
    float: _ => token(choice(
      /[0-9](_?[0-9])*\.[0-9](_?[0-9])*([eE][+-]?[0-9](_?[0-9])*)?/,
      /[0-9](_?[0-9])*[eE][+-]?[0-9](_?[0-9])*/,
    )),

    triple_string: _ => token(prec(3, seq('"""', /([^"]|"[^"]|""[^"])*/, /"{3,5}/))),
    string: $ => choice(
      seq('"', repeat(choice(alias($._double_text, $.text), $.escape, $.placeholder)), token.immediate('"')),
      seq("'", repeat(choice(alias($._single_text, $.text), $.escape, $.placeholder)), token.immediate("'")),
    ),
    _double_text: _ => token.immediate(prec(1, /([^"\\$]|\$[^{"\\$])+|\$/)),
    _single_text: _ => token.immediate(prec(1, /([^'\\$]|\$[^{'\\$])+|\$/)),
    escape: _ => token.immediate(prec(1, /\\(u\{[0-9a-fA-F]{1,6}\}|[^u]|u)/)),
    placeholder: $ => seq(token.immediate(prec(2, '${')), $._expression, optional($.format_spec), '}'),
    format_spec: _ => token(prec(-1, /:[^}]*/)),

    array: $ => seq('[', commas(choice($._expression, $.spread)), ']'),
    spread: $ => seq('...', $._expression),
    dict: $ => seq(alias($._dict_open, '{'), commas($.pair), '}'),
    pair: $ => seq(field('key', $._expression), ':', field('value', $._expression)),
    array_comprehension: $ => seq('[', $._expression, repeat1($._clause), ']'),
    dict_comprehension: $ => seq(alias($._dict_open, '{'), $.pair, repeat1($._clause), '}'),
    _clause: $ => choice($.for_clause, $.if_clause),
    for_clause: $ => seq('for', $._loop_binding, 'in', $._expression),
    if_clause: $ => seq('if', $._expression),
    group: $ => seq('(', $._expression, ')'),

    struct_literal: $ => prec(POWER.postfix, seq(
      field('name', choice($.identifier, $.member)), alias($._struct_open, '{'), commas($.field_value), '}',
    )),
    field_value: $ => seq(field('name', $._name), ':', $._expression),

    function: $ => seq(optional('async'), 'fn', $.parameters, optional($.result), field('body', $.block)),
    arrow: $ => prec.right(-1, seq(
      optional('async'), choice($.identifier, alias($._arrow_parameters, $.parameters)), '=>', field('body', choice($.block, $._expression)),
    )),
    _arrow_parameters: $ => seq('(', commas($._parameter), ')'),

    match_expression: $ => seq('match', $._head, field('subject', $._expression), alias($._block_open, '{'), repeat(choice($.arm, ';')), '}'),
    arm: $ => prec.right(seq(field('pattern', $._pattern), optional($.guard), '=>', field('body', $._statement), optional(','))),
    guard: $ => seq('if', $._expression),

    unary: $ => prec(POWER.prefix, seq(choice('-', '!', '~', 'await'), $._expression)),
    binary: $ => choice(
      ...[
        ['??', POWER.coalesce], ['||', POWER.or], ['&&', POWER.and], ['|', POWER.bit_or], ['^', POWER.bit_xor],
        ['&', POWER.bit_and], ['==', POWER.equality], ['!=', POWER.equality], ['<', POWER.comparison],
        ['<=', POWER.comparison], ['>', POWER.comparison], ['>=', POWER.comparison], ['in', POWER.comparison],
        ['..', POWER.range], ['..=', POWER.range], ['<<', POWER.shift], ['>>', POWER.shift], ['+', POWER.additive],
        ['-', POWER.additive], ['*', POWER.term], ['/', POWER.term], ['%', POWER.term],
      ].map(([sign, power]) => prec.left(power, seq($._expression, field('operator', sign), $._expression))),
      prec.left(POWER.comparison, seq($._expression, field('operator', alias($._not_in, '!in')), $._expression)),
      prec.right(POWER.exponent, seq($._expression, field('operator', '**'), $._expression)),
    ),
    ternary: $ => prec.right(POWER.ternary, seq($._expression, '?', $._expression, ':', $._expression)),

    call: $ => prec(POWER.postfix, seq(field('function', $._expression), $.arguments)),
    arguments: $ => seq(alias($._call_open, '('), commas(choice($._expression, $.spread, $.keyword_argument)), ')'),
    keyword_argument: $ => seq(field('name', $.identifier), '=', field('value', $._expression)),
    index: $ => prec(POWER.postfix, seq($._expression, choice(alias($._index_open, '['), seq('?.', '[')), $._expression, ']')),
    slice: $ => prec(POWER.postfix, seq($._expression, alias($._index_open, '['), optional($._expression), ':', optional($._expression), ']')),
    member: $ => prec(POWER.postfix, seq($._expression, choice('.', '?.'), field('name', $._name))),

    _name: $ => choice($.identifier, ...RESERVED.map(word => alias(word, $.identifier))),

    // --- patterns ---

    _pattern: $ => choice(
      $.identifier, $.literal_pattern, $.range_pattern, $.variant_pattern, $.array_pattern, $.dict_pattern,
      $.struct_pattern, $.or_pattern, $.as_pattern,
    ),
    literal_pattern: $ => choice($._number_pattern, $.string, $.triple_string, $.true, $.false, $.null),
    _number_pattern: $ => seq(optional('-'), choice($.integer, $.float)),
    range_pattern: $ => seq($._number_pattern, choice('..', '..='), $._number_pattern),
    variant_pattern: $ => prec.right(seq($.identifier, '.', $.identifier, optional(seq('(', commas($._pattern), ')')))),
    array_pattern: $ => seq('[', commas(choice($._pattern, $.rest_pattern)), ']'),
    rest_pattern: $ => seq('...', $.identifier),
    dict_pattern: $ => seq($._any_brace, commas($.entry_pattern), '}'),
    entry_pattern: $ => seq($.identifier, optional(seq(':', $._pattern))),
    struct_pattern: $ => seq($.identifier, $._any_brace, commas($.entry_pattern), '}'),
    or_pattern: $ => prec.left(1, seq($._pattern, '|', $._pattern)),
    as_pattern: $ => prec.left(0, seq($._pattern, 'as', $.identifier)),
  },
});
