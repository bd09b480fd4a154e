/* Libraries that do what none should; -DCASE=N chooses a table, 20 the functions. */
#include <pthread.h>
#include <stddef.h>

#include "aether_plugin.h"

#if CASE < 20
static int64_t one(const int64_t *argv, int argc) {
    (void)argv;
    (void)argc;
    return 1;
}

static const char *names[] = {"one", CASE == 6 ? NULL : CASE == 9 ? "\xff" : "two"};
static void *functions[] = {(void *)one, CASE == 5 ? NULL : (void *)one};
static aether_plugin_table table = {
    CASE == 1 ? 3 : CASE == 10 ? 0 : 1,
    CASE == 3 ? -2 : CASE == 8 ? 2000000000 : CASE == 11 ? 0 : 2,
    CASE == 4 || CASE == 11 ? NULL : names,
    CASE == 12 || CASE == 11 ? NULL : functions,
};
#if CASE != 7
aether_plugin_table *aether_plugin_init(void) {
    return CASE == 2 ? NULL : &table;
}
#endif

#else

#define FUNCTION(name) static void *name(void *const *argv, int argc, void **error)
#define UNUSED (void)argv, (void)argc, (void)error

/* What was never a value, though it looks like one. */
static void *made_up = (void *)(uintptr_t)0x00500003;
static void *kept;

FUNCTION(free_twice) {
    UNUSED;
    aether_value_free(argv[0]);
    aether_value_free(argv[0]);
    aether_value_free(made_up);
    aether_value_free(NULL);
    aether_value_free((void *)&kept);
    void *text = aether_value_new_string("x");
    char *copy = aether_value_as_string(text);
    aether_string_free(copy);
    aether_string_free(copy);
    aether_string_free((char *)"not one of yours");
    aether_string_free(NULL);
    return aether_value_new_int(1);
}

FUNCTION(use_after_free) {
    UNUSED;
    aether_value_free(argv[0]);
    int64_t answers = aether_value_is_array(argv[0]) + aether_value_as_int(argv[0]) + aether_value_array_len(argv[0]);
    void *other = aether_value_new_int(99); /* takes the same place */
    answers += aether_value_as_int(argv[0]) + aether_value_array_push(argv[0], other);
    return aether_value_new_int(answers);
}

FUNCTION(return_freed) {
    UNUSED;
    void *value = aether_value_new_int(1);
    aether_value_free(value);
    return value;
}

FUNCTION(return_made_up) {
    UNUSED;
    return made_up;
}

FUNCTION(return_pointer) {
    UNUSED;
    return &kept;
}

FUNCTION(fail_with_freed) {
    UNUSED;
    *error = aether_value_new_string("gone");
    aether_value_free(*error);
    return NULL;
}

FUNCTION(fail_with_text) {
    UNUSED;
    *error = (void *)"no \xff text";
    return aether_value_new_int(1);
}

FUNCTION(fail_with_array) {
    UNUSED;
    *error = argv[0];
    return NULL;
}

FUNCTION(keep) {
    UNUSED;
    kept = argv[0];
    return NULL;
}

FUNCTION(use_kept) {
    UNUSED;
    return aether_value_new_int(aether_value_array_len(kept));
}

FUNCTION(wrong_types) {
    UNUSED;
    void *number = aether_value_new_int(5), *dict = aether_value_new_dict();
    int64_t sum = aether_value_array_len(number) + aether_value_dict_len(number) + aether_value_string_len(number);
    sum += aether_value_array_push(number, number) + aether_value_dict_insert(number, "k", number);
    sum += aether_value_dict_insert(dict, NULL, number) + aether_value_dict_insert(dict, "k", NULL);
    sum += aether_value_array_get(number, 0) != NULL;
    sum += aether_value_dict_get(dict, NULL) != NULL;
    sum += aether_value_dict_keys(number) != NULL;
    sum += aether_value_as_string(number) != NULL;
    sum += aether_value_new_string(NULL) != NULL;
    sum += aether_value_new_string_len("x", -1) != NULL;
    void *array = aether_value_new_array();
    aether_value_array_push(array, number);
    sum += aether_value_array_get(array, -1) != NULL;
    sum += aether_value_array_get(array, 1) != NULL;
    return aether_value_new_int(sum);
}

FUNCTION(into_itself) {
    UNUSED;
    void *array = aether_value_new_array();
    aether_value_array_push(array, array);
    return array;
}

FUNCTION(change_argument) {
    UNUSED;
    void *item = aether_value_new_int(9);
    aether_value_array_push(argv[0], item);
    void *inner = aether_value_array_get(argv[0], 0);
    aether_value_array_push(inner, item);
    return argv[0];
}

FUNCTION(same_argument) {
    UNUSED;
    return argv[0];
}

FUNCTION(leak) {
    UNUSED;
    void *last = NULL;
    for (int i = 0; i < 2000000; i++) {
        void *value = aether_value_new_int(i);
        last = value ? value : last;
    }
    return last;
}

FUNCTION(exhaust) {
    UNUSED;
    void *array = aether_value_new_array();
    for (;;) {
        void *text = aether_value_new_string("sixty-four bytes of text, so that it does not take all that long");
        if (!text || !aether_value_array_push(array, text)) {
            return array;
        }
        aether_value_free(text);
    }
}

static void *elsewhere(void *result) {
    *(void **)result = aether_value_new_int(1);
    return NULL;
}

FUNCTION(other_thread) {
    UNUSED;
    void *result = (void *)&kept;
    pthread_t thread;
    pthread_create(&thread, NULL, elsewhere, &result);
    pthread_join(thread, NULL);
    return aether_value_new_int(result == NULL);
}

FUNCTION(latin) {
    UNUSED;
    return aether_value_new_string("na\xefve");
}

#define ENTRY(name) (void *)name
static const char *names[] = {
    "free_twice", "use_after_free", "return_freed", "return_made_up", "return_pointer", "fail_with_freed",
    "fail_with_text", "fail_with_array", "keep", "use_kept", "wrong_types", "into_itself", "change_argument",
    "same_argument", "leak", "exhaust", "other_thread", "latin",
};
static void *functions[] = {
    ENTRY(free_twice), ENTRY(use_after_free), ENTRY(return_freed), ENTRY(return_made_up), ENTRY(return_pointer),
    ENTRY(fail_with_freed), ENTRY(fail_with_text), ENTRY(fail_with_array), ENTRY(keep), ENTRY(use_kept),
    ENTRY(wrong_types), ENTRY(into_itself), ENTRY(change_argument), ENTRY(same_argument), ENTRY(leak),
    ENTRY(exhaust), ENTRY(other_thread), ENTRY(latin),
};
static aether_plugin_table table = {2, sizeof names / sizeof *names, names, functions};

aether_plugin_table *aether_plugin_init_v2(void) {
    return &table;
}

/* Never asked for: the other entry point goes first. */
aether_plugin_table *aether_plugin_init(void) {
    return NULL;
}
#endif
