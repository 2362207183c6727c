// float_text.c — doubles with a number of significant digits.
#include "CShims.h"
#include <stdio.h>
size_t tally_print_double(double value, int digits, char *out) {
  return (size_t)snprintf(out, TALLY_DOUBLE_BYTES, "%.*g", digits, value);
}
