(line_comment) @comment
(block_comment) @comment
(shebang) @comment

(string) @string
(triple_string) @string
(escape) @string.escape
(format_spec) @string.special
(placeholder "${" @punctuation.special "}" @punctuation.special)

(integer) @number
(float) @number
(true) @constant.builtin
(false) @constant.builtin
(null) @constant.builtin

(function_declaration name: (identifier) @function)
(call function: (identifier) @function.call)
(call function: (member name: (identifier) @function.method))
(struct_declaration name: (identifier) @type)
(enum_declaration name: (identifier) @type)
(struct_literal name: (identifier) @type)
(type_name (identifier) @type)
(variant name: (identifier) @constructor)
(field name: (identifier) @property)
(field_value name: (identifier) @property)
(member name: (identifier) @property)
(keyword_argument name: (identifier) @variable.parameter)
(parameters (identifier) @variable.parameter)
((identifier) @variable.builtin (#eq? @variable.builtin "self"))

[
  "as" "async" "await" "break" "catch" "const" "continue" "defer" "else" "enum" "finally" "fn" "for" "from" "if"
  "import" "in" "let" "loop" "match" "return" "struct" "throw" "try" "while" "yield"
] @keyword
(debugger_statement) @keyword

["(" ")" "[" "]" "{" "}"] @punctuation.bracket
["," "." ":" ";" "?."] @punctuation.delimiter
[
  "+" "-" "*" "/" "%" "**" "=" "+=" "-=" "*=" "/=" "%=" "**=" "==" "!=" "<" "<=" ">" ">=" "<<" ">>" "<<=" ">>=" "&" "|"
  "^" "~" "&=" "|=" "^=" "&&" "||" "!" "?" "??" "&&=" "||=" "??=" ".." "..=" "..." "=>" "->" "!in"
] @operator
