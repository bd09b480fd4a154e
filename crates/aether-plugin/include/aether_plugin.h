/* The interface between Aether and a plugin, for C.
 *
 * A plugin is a shared library with an entry point, aether_plugin_init_v2 or aether_plugin_init, that returns a table
 * of its functions. The table, its names and its functions must stay as they are until the process ends.
 *
 * Version 1 takes and gives 64-bit integers; INT64_MIN means that the call failed.
 *
 * Version 2 takes and gives values. A value is a number that only these functions understand: do not look into it.
 * One that came as an argument, or was made by a function below, is good until it is freed or the call that made it
 * returns, whichever is first; so is a text from aether_value_as_string. What was freed, or never was a value, is
 * treated as a value of no type. Nothing here may be called from another thread, or outside a call.
 *
 * Everything is copied: an array that came as an argument may be changed, and the script's own stays as it was.
 *
 * A null result is null. To fail, set *error to a string value, or to a text of your own that ends with a zero byte;
 * it is copied, never freed.
 */
#ifndef AETHER_PLUGIN_H
#define AETHER_PLUGIN_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef int64_t (*aether_function_v1)(const int64_t *argv, int argc);
typedef void *(*aether_function_v2)(void *const *argv, int argc, void **error);

typedef struct {
    int version;        /* 1 or 2: the type of all functions */
    int function_count;
    const char **names; /* UTF-8 */
    void **functions;
} aether_plugin_table;

/* 1 or 0. */
int aether_value_is_int(const void *value);
int aether_value_is_string(const void *value);
int aether_value_is_array(const void *value);
int aether_value_is_dict(const void *value);
int aether_value_is_null(const void *value);

/* 0 for what is no int. */
int64_t aether_value_as_int(const void *value);
/* A copy that ends with a zero byte, for aether_string_free; NULL for what is no string. */
char *aether_value_as_string(const void *value);
/* Bytes; -1 for what is no string. */
int64_t aether_value_string_len(const void *value);

/* -1 for what is no array. */
int64_t aether_value_array_len(const void *array);
/* A new value, or NULL. */
void *aether_value_array_get(const void *array, int64_t index);
/* 1 if it was done; the item stays yours to free. */
int aether_value_array_push(void *array, const void *item);

/* -1 for what is no dict. */
int64_t aether_value_dict_len(const void *dict);
/* A new value, or NULL. */
void *aether_value_dict_get(const void *dict, const char *key);
/* The keys in their order: a new array. */
void *aether_value_dict_keys(const void *dict);
/* 1 if it was done; the item stays yours to free. */
int aether_value_dict_insert(void *dict, const char *key, const void *item);

/* New values; NULL when the script's memory budget is spent, which fails the call. */
void *aether_value_new_int(int64_t value);
void *aether_value_new_string(const char *text);
void *aether_value_new_string_len(const char *text, int64_t bytes);
void *aether_value_new_array(void);
void *aether_value_new_dict(void);
void *aether_value_new_null(void);

void aether_value_free(void *value);
void aether_string_free(char *text);

#ifdef __cplusplus
}
#endif

#endif
