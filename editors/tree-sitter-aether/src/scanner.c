// Tokens that depend on more than their characters: brackets that must stand on the line of what is before them, braces by
// what they begin, and words that are keywords only before certain tokens.
//
// State: whether the head of a `for` or `match` is being read, where a name before a brace is no struct literal.

#include "tree_sitter/alloc.h"
#include "tree_sitter/parser.h"
#include <string.h>

enum Token {
  CALL_OPEN,
  INDEX_OPEN,
  STRUCT_OPEN,
  BLOCK_OPEN,
  DICT_OPEN,
  HEAD,
  SAME_LINE,
  CONST,
  DEFER,
  LOOP,
  YIELD,
  NOT_IN,
};

typedef struct {
  bool in_head;
} Scanner;

void *tree_sitter_aether_external_scanner_create(void) {
  Scanner *scanner = ts_malloc(sizeof(Scanner));
  scanner->in_head = false;
  return scanner;
}

void tree_sitter_aether_external_scanner_destroy(void *payload) { ts_free(payload); }

unsigned tree_sitter_aether_external_scanner_serialize(void *payload, char *buffer) {
  buffer[0] = ((Scanner *)payload)->in_head;
  return 1;
}

void tree_sitter_aether_external_scanner_deserialize(void *payload, const char *buffer, unsigned length) {
  ((Scanner *)payload)->in_head = length > 0 && buffer[0];
}

static bool is_blank(int32_t c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == 0xFEFF; }

static bool is_word_start(int32_t c) {
  return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c > 127;
}

static bool is_word(int32_t c) { return is_word_start(c) || (c >= '0' && c <= '9'); }

// Skips blanks and comments; whether a line ended meanwhile. `skip` leaves them out of the token.
static bool pass_blanks(TSLexer *lexer, bool skip, bool *saw_slash) {
  bool newline = false;
  for (;;) {
    if (is_blank(lexer->lookahead)) {
      newline |= lexer->lookahead == '\n';
      lexer->advance(lexer, skip);
    } else if (lexer->lookahead == '/' && !skip) {
      lexer->advance(lexer, false);
      if (lexer->lookahead == '/') {
        while (lexer->lookahead != '\n' && !lexer->eof(lexer)) lexer->advance(lexer, false);
      } else if (lexer->lookahead == '*') {
        int32_t last = 0;
        lexer->advance(lexer, false);
        while (!lexer->eof(lexer) && !(last == '*' && lexer->lookahead == '/')) {
          newline |= lexer->lookahead == '\n';
          last = lexer->lookahead;
          lexer->advance(lexer, false);
        }
        if (!lexer->eof(lexer)) lexer->advance(lexer, false);
      } else {
        *saw_slash = true;
        return newline;
      }
    } else {
      return newline;
    }
  }
}

static unsigned read_word(TSLexer *lexer, char *word, unsigned size) {
  unsigned length = 0;
  while (is_word(lexer->lookahead)) {
    if (length + 1 < size) word[length] = lexer->lookahead > 127 ? '?' : (char)lexer->lookahead;
    length++;
    lexer->advance(lexer, false);
  }
  word[length < size ? length : size - 1] = 0;
  return length;
}

// Whether an expression may begin with this character, among those that may follow `defer` and `yield`.
static bool begins_expression(int32_t c) {
  return is_word(c) || c == '"' || c == '\'' || c == '{' || c == '!' || c == '~';
}

// Whether a word cannot begin an expression.
static bool continues_statement(const char *word) {
  static const char *const words[] = {"in", "as", "if", "for", "else", "catch", "finally", "while", "let", "return", NULL};
  for (unsigned at = 0; words[at]; at++)
    if (strcmp(word, words[at]) == 0) return true;
  return false;
}

static bool contextual(TSLexer *lexer, const bool *valid) {
  char word[8];
  unsigned length = read_word(lexer, word, sizeof word);
  lexer->mark_end(lexer);
  bool slash = false;
  bool newline = pass_blanks(lexer, false, &slash);
  int32_t next = lexer->lookahead;
  char following[16] = "";
  if (length == 5 && strcmp(word, "const") == 0 && valid[CONST]) {
    lexer->result_symbol = CONST;
    return !newline && (is_word_start(next) || next == '[' || next == '{');
  }
  if (length == 4 && strcmp(word, "loop") == 0 && valid[LOOP]) {
    lexer->result_symbol = LOOP;
    return !newline && next == '{';
  }
  if (length == 5 && strcmp(word, "defer") == 0 && valid[DEFER]) {
    lexer->result_symbol = DEFER;
    if (newline || slash || !begins_expression(next)) return false;
    if (next == '!') {
      lexer->advance(lexer, false);
      return lexer->lookahead != '=' && lexer->lookahead != 'i';
    }
    if (is_word_start(next)) read_word(lexer, following, sizeof following);
    return !continues_statement(following);
  }
  if (length == 5 && strcmp(word, "yield") == 0 && valid[YIELD]) {
    lexer->result_symbol = YIELD;
    if (newline || next == '}' || next == ';' || lexer->eof(lexer)) return true;
    if (slash) return false;
    if (next == '(' || next == '[' || next == '-') return true;
    if (!begins_expression(next)) return false;
    if (next == '!') {
      lexer->advance(lexer, false);
      return lexer->lookahead != '=';
    }
    if (is_word_start(next)) read_word(lexer, following, sizeof following);
    return !continues_statement(following);
  }
  return false;
}

// Whether a brace begins the fields of a struct literal: `}` or a name and a colon follow.
static bool fields_follow(TSLexer *lexer) {
  bool slash = false;
  pass_blanks(lexer, false, &slash);
  if (slash) return false;
  if (lexer->lookahead == '}') return true;
  if (!is_word_start(lexer->lookahead)) return false;
  while (is_word(lexer->lookahead)) lexer->advance(lexer, false);
  pass_blanks(lexer, false, &slash);
  return !slash && lexer->lookahead == ':';
}

bool tree_sitter_aether_external_scanner_scan(void *payload, TSLexer *lexer, const bool *valid) {
  Scanner *scanner = payload;
  bool newline = false;
  if (valid[HEAD]) {
    scanner->in_head = true;
    lexer->mark_end(lexer);
    lexer->result_symbol = HEAD;
    return true;
  }
  while (is_blank(lexer->lookahead)) {
    newline |= lexer->lookahead == '\n';
    lexer->advance(lexer, true);
  }
  int32_t next = lexer->lookahead;
  if (valid[SAME_LINE]) {
    lexer->mark_end(lexer);
    lexer->result_symbol = SAME_LINE;
    if (newline || next == '}' || next == ';' || next == ')' || next == ']' || next == ',' || lexer->eof(lexer)) return false;
    if (next == '/') {
      lexer->advance(lexer, false);
      if (lexer->lookahead == '/') return false;
      return true;
    }
    if (is_word_start(next)) {
      char word[16];
      read_word(lexer, word, sizeof word);
      return strcmp(word, "else") != 0 && strcmp(word, "catch") != 0 && strcmp(word, "finally") != 0;
    }
    return true;
  }
  switch (next) {
    case '(':
      if (newline || !valid[CALL_OPEN]) return false;
      lexer->advance(lexer, false);
      lexer->result_symbol = CALL_OPEN;
      return true;
    case '[':
      if (newline || !valid[INDEX_OPEN]) return false;
      lexer->advance(lexer, false);
      lexer->result_symbol = INDEX_OPEN;
      return true;
    case '{': {
      if (!valid[STRUCT_OPEN] && !valid[BLOCK_OPEN] && !valid[DICT_OPEN]) return false;
      lexer->advance(lexer, false);
      lexer->mark_end(lexer);
      bool may_be_fields = valid[STRUCT_OPEN] && !newline && !(scanner->in_head && valid[BLOCK_OPEN]);
      if (may_be_fields && fields_follow(lexer)) {
        lexer->result_symbol = STRUCT_OPEN;
        return true;
      }
      if (valid[BLOCK_OPEN]) {
        scanner->in_head = false;
        lexer->result_symbol = BLOCK_OPEN;
        return true;
      }
      if (!valid[DICT_OPEN]) return false;
      lexer->result_symbol = DICT_OPEN;
      return true;
    }
    case '!':
      if (!valid[NOT_IN]) return false;
      lexer->advance(lexer, false);
      while (lexer->lookahead == ' ' || lexer->lookahead == '\t') lexer->advance(lexer, false);
      if (lexer->lookahead != 'i') return false;
      lexer->advance(lexer, false);
      if (lexer->lookahead != 'n') return false;
      lexer->advance(lexer, false);
      if (is_word(lexer->lookahead)) return false;
      lexer->result_symbol = NOT_IN;
      return true;
    case 'c':
    case 'd':
    case 'l':
    case 'y':
      return (valid[CONST] || valid[DEFER] || valid[LOOP] || valid[YIELD]) && contextual(lexer, valid);
    default:
      return false;
  }
}
