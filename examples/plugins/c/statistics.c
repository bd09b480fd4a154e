/* A plugin for Aether, written in C: version 2 of the interface.
 *
 *     cc -shared -fPIC -I crates/aether-plugin/include -o libstatistics.so examples/plugins/c/statistics.c
 */
#include <stddef.h>

#include "aether_plugin.h"

/* The sum and the number of the ints in an array, as a dict. */
static void *summary(void *const *argv, int argc, void **error) {
    if (argc != 1 || !aether_value_is_array(argv[0])) {
        *error = aether_value_new_string("summary takes an array");
        return NULL;
    }
    int64_t sum = 0, count = aether_value_array_len(argv[0]);
    for (int64_t i = 0; i < count; i++) {
        void *item = aether_value_array_get(argv[0], i);
        if (!aether_value_is_int(item)) {
            aether_value_free(item);
            *error = (void *)"summary takes ints only"; /* a text of our own will do */
            return NULL;
        }
        sum += aether_value_as_int(item);
        aether_value_free(item);
    }
    void *result = aether_value_new_dict();
    void *value = aether_value_new_int(sum);
    aether_value_dict_insert(result, "sum", value);
    aether_value_free(value);
    value = aether_value_new_int(count);
    aether_value_dict_insert(result, "count", value);
    aether_value_free(value);
    return result;
}

/* The array with one more item; the script's own array stays as it was. */
static void *with_null(void *const *argv, int argc, void **error) {
    void *null = aether_value_new_null();
    if (argc != 1 || !aether_value_array_push(argv[0], null)) {
        *error = aether_value_new_string("with_null takes an array");
        return NULL;
    }
    return argv[0];
}

static const char *names[] = {"summary", "with_null"};
static void *functions[] = {(void *)summary, (void *)with_null};
static aether_plugin_table table = {2, 2, names, functions};

aether_plugin_table *aether_plugin_init_v2(void) {
    return &table;
}
