// text_scan.c — 64 bytes at a time: where CSV fields and records end, how many lines there are, whether text is UTF-8.
#include "CShims.h"
#ifdef __SSE2__
#include <emmintrin.h>
static inline uint64_t equal64(const unsigned char *p, unsigned char byte) {
  const __m128i b = _mm_set1_epi8((char)byte);
  uint64_t m = 0;
  for (int i = 0; i < 4; i++)
    m |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(p + 16 * i)), b)) << (16 * i);
  return m;
}
#else
static inline uint64_t equal64(const unsigned char *p, unsigned char byte) {
  uint64_t m = 0;
  for (int i = 0; i < 64; i++) m |= (uint64_t)(p[i] == byte) << i;
  return m;
}
#endif
// Bit i of the result is the parity of the bits 0 ... i.
static inline uint64_t running_parity(uint64_t m) {
  m ^= m << 1; m ^= m << 2; m ^= m << 4; m ^= m << 8; m ^= m << 16; m ^= m << 32;
  return m;
}
size_t tally_csv_fields(const void *bytes, size_t count, uint8_t delimiter, uint8_t quote, uint32_t *out, uint8_t *in_quotes) {
  const unsigned char *p = bytes;
  uint64_t inside = *in_quotes ? ~0ull : 0;
  uint32_t quoted = inside ? TALLY_CSV_QUOTED : 0;
  size_t n = 0;
  unsigned char tail[64];
  for (size_t at = 0; at < count; at += 64) {
    const unsigned char *b = p + at;
    uint64_t valid = ~0ull;
    if (count - at < 64) {
      __builtin_memset(tail, 0, 64);
      __builtin_memcpy(tail, b, count - at);
      b = tail;
      valid = (1ull << (count - at)) - 1;
    }
    uint64_t quotes = equal64(b, quote) & valid;
    uint64_t lines = equal64(b, '\n') & valid;
    uint64_t ends = (equal64(b, delimiter) & valid) | lines;
    if (__builtin_expect((quotes | inside) == 0, 1)) {
      while (ends) {
        int i = __builtin_ctzll(ends);
        out[n++] = (uint32_t)(at + i + 1) | (uint32_t)((lines >> i) & 1) << 30 | quoted;
        quoted = 0;
        ends &= ends - 1;
      }
    } else {
      uint64_t open = running_parity(quotes) ^ inside;
      inside = (uint64_t)((int64_t)open >> 63);
      ends &= ~open;
      uint64_t seen = 0;
      while (ends) {
        int i = __builtin_ctzll(ends);
        uint64_t before = ((1ull << i) - 1) & ~seen;
        if (quotes & before) quoted = TALLY_CSV_QUOTED;
        seen |= before;
        out[n++] = (uint32_t)(at + i + 1) | (uint32_t)((lines >> i) & 1) << 30 | quoted;
        quoted = 0;
        ends &= ends - 1;
      }
      if (quotes & ~seen) quoted = TALLY_CSV_QUOTED;
    }
  }
  *in_quotes = inside ? 1 : 0;
  // A field that has begun but not ended: the caller adds its end and needs to know of its quotes.
  out[n] = quoted;
  return n;
}
size_t tally_escaped_fields(const void *bytes, size_t count, uint8_t delimiter, uint32_t *out) {
  const unsigned char *p = bytes;
  uint32_t marked = 0;
  // Whether the first byte of the block is behind a backslash that is not itself escaped.
  uint64_t carry = 0;
  size_t n = 0;
  unsigned char tail[64];
  for (size_t at = 0; at < count; at += 64) {
    const unsigned char *b = p + at;
    uint64_t valid = ~0ull;
    if (count - at < 64) {
      __builtin_memset(tail, 0, 64);
      __builtin_memcpy(tail, b, count - at);
      b = tail;
      valid = (1ull << (count - at)) - 1;
    }
    uint64_t slashes = equal64(b, '\\') & valid;
    uint64_t lines = equal64(b, '\n') & valid;
    uint64_t ends = (equal64(b, delimiter) & valid) | lines;
    if (__builtin_expect((slashes | carry) == 0, 1)) {
      while (ends) {
        int i = __builtin_ctzll(ends);
        out[n++] = (uint32_t)(at + i + 1) | (uint32_t)((lines >> i) & 1) << 30 | marked;
        marked = 0;
        ends &= ends - 1;
      }
    } else {
      uint64_t escaped = carry, left = slashes & ~carry;
      carry = 0;
      while (left) {
        int i = __builtin_ctzll(left);
        left &= left - 1;
        if (i == 63) {
          carry = 1;
        } else {
          escaped |= 2ull << i;
          left &= ~(2ull << i);
        }
      }
      ends &= ~escaped;
      uint64_t seen = 0;
      while (ends) {
        int i = __builtin_ctzll(ends);
        uint64_t before = ((1ull << i) - 1) & ~seen;
        if (slashes & before) marked = TALLY_CSV_QUOTED;
        seen |= before;
        out[n++] = (uint32_t)(at + i + 1) | (uint32_t)((lines >> i) & 1) << 30 | marked;
        marked = 0;
        ends &= ends - 1;
      }
      if (slashes & ~seen) marked = TALLY_CSV_QUOTED;
    }
  }
  // A field that has begun but not ended: the caller adds its end and needs to know of its backslashes.
  out[n] = marked;
  return n;
}
size_t tally_find_pair(const void *bytes, size_t count, uint8_t first, uint8_t second) {
  const unsigned char *p = bytes;
  size_t at = 0;
  for (; at + 65 <= count; at += 64) {
    uint64_t m = equal64(p + at, first);
    if (__builtin_expect(m != 0, 0)) {
      m &= equal64(p + at + 1, second);
      if (m) return at + (size_t)__builtin_ctzll(m);
    }
  }
  for (; at + 1 < count; at++) if (p[at] == first && p[at + 1] == second) return at;
  return count;
}
size_t tally_count_byte(const void *bytes, size_t count, uint8_t byte) {
  const unsigned char *p = bytes;
  size_t n = 0, at = 0;
  for (; at + 64 <= count; at += 64) n += (size_t)__builtin_popcountll(equal64(p + at, byte));
  for (; at < count; at++) n += p[at] == byte;
  return n;
}
// Length of the well-formed character at p (RFC 3629, U+0000 excluded), 0 if there is none.
static inline size_t character(const unsigned char *p, size_t left) {
  unsigned char a = p[0];
  if (a < 0x80) return a != 0;
  if (a < 0xc2 || left < 2 || (p[1] & 0xc0) != 0x80) return 0;
  if (a < 0xe0) return 2;
  if (left < 3 || (p[2] & 0xc0) != 0x80) return 0;
  if (a < 0xf0) return (a == 0xe0 && p[1] < 0xa0) || (a == 0xed && p[1] > 0x9f) ? 0 : 3;
  if (left < 4 || (p[3] & 0xc0) != 0x80 || a > 0xf4) return 0;
  return (a == 0xf0 && p[1] < 0x90) || (a == 0xf4 && p[1] > 0x8f) ? 0 : 4;
}
size_t tally_utf8_prefix(const void *bytes, size_t count) {
  const unsigned char *p = bytes;
  size_t at = 0;
  while (at < count) {
    while (at + 8 <= count) {
      uint64_t w;
      __builtin_memcpy(&w, p + at, 8);
      // Any byte of 0x80 or more, or any zero byte.
      if (((w - 0x0101010101010101ull) | w) & 0x8080808080808080ull) break;
      at += 8;
    }
    if (at >= count) break;
    size_t n = character(p + at, count - at);
    if (n == 0) return at;
    at += n;
  }
  return count;
}
