/* A plugin for Aether, written in C: version 1 of the interface, for functions of ints.
 *
 *     cc -shared -fPIC -I crates/aether-plugin/include -o libnumbers.so examples/plugins/c/numbers.c
 */
#include "aether_plugin.h"

static int64_t add(const int64_t *argv, int argc) {
    return argc == 2 ? argv[0] + argv[1] : INT64_MIN;
}

static int64_t largest(const int64_t *argv, int argc) {
    if (argc == 0) {
        return INT64_MIN;
    }
    int64_t found = argv[0];
    for (int i = 1; i < argc; i++) {
        found = argv[i] > found ? argv[i] : found;
    }
    return found;
}

static const char *names[] = {"add", "largest"};
static void *functions[] = {(void *)add, (void *)largest};
static aether_plugin_table table = {1, 2, names, functions};

aether_plugin_table *aether_plugin_init(void) {
    return &table;
}
