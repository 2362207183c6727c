// Function.swift — the scalar functions and operators a bound expression can call, with their wire numbers.
//
// Closed and stable: a number is part of FragmentFormat and RollupProgramFormat and never reused. Every function is strict
// (any NULL argument gives NULL) unless it says otherwise, pure, and immutable: what depends on the statement's time was
// folded by the binder. The binder casts arguments so that each function sees exactly the types stated here.
// "integer" below means any of the three integer types; arguments may differ in width, the expression's type is the result's
// and bounds it (22003 "integer out of range", "smallint out of range", "bigint out of range").

/// A scalar function or operator.
public enum Function: UInt16, Sendable, CaseIterable {
  // Comparisons: (T, T) → boolean, where both are integers; or both of one other type (text and varchar are one; timestamp
  // and timestamptz are never mixed). Text by bytes; NaN equals NaN and is greatest; intervals by their 30-day-month length.
  case equal = 1
  case notEqual = 2
  case less = 3
  case lessOrEqual = 4
  case greater = 5
  case greaterOrEqual = 6

  // Arithmetic: (T, T) → T, where T is integer (widths may differ), double or numeric. Division by zero is 22012.
  case add = 16
  case subtract = 17
  case multiply = 18
  /// Integers truncate towards zero.
  case divide = 19
  case modulo = 20
  /// (T) → T; also of an interval.
  case negate = 21
  /// (T) → T.
  case absolute = 22
  /// (double or numeric) → the same.
  case floor = 23
  case ceiling = 24
  /// (double) → double by half to even; (numeric) → numeric half away from zero; (numeric, integer) → numeric with that scale.
  case round = 25
  case truncate = 26

  // Times. date + integer days and so on; ±infinity stays.
  /// (date, integer) → date.
  case addDays = 32
  case subtractDays = 33
  /// (date, date) → integer.
  case dateDifference = 34
  /// (timestamp or timestamptz, interval) → the same.
  case addInterval = 35
  case subtractInterval = 36
  /// (T, T) → interval for two timestamps or two timestamptz: days and time, as PostgreSQL.
  case timeDifference = 37
  /// (interval, interval) → interval.
  case intervalAdd = 38
  case intervalSubtract = 39
  /// (interval, double) → interval.
  case intervalMultiply = 40
  case intervalDivide = 41
  /// (constant bigint: TimeUnit.rawValue, timestamp, timestamptz or interval) → the same type.
  case dateTrunc = 42
  /// (constant bigint: TimeField.rawValue, date, timestamp, timestamptz or interval) → numeric: `TimeField.extract`.
  case extract = 43
  /// (constant interval, date, timestamp or timestamptz) → the same type; the interval is months only, or days and time only, and > 0.
  case timeBucket = 44

  // Text.
  /// (text, text) → text.
  case concatenate = 64
  /// ASCII letters only, as PostgreSQL in collation C.
  case lower = 65
  case upper = 66
  /// (text) → integer, in characters.
  case length = 67

  // HyperLogLog.
  /// (boolean, smallint, integer, bigint, date, timestamp, timestamptz, double or text; constant integer seed) → hll_hashval by the
  /// argument type's own width (boolean 1 byte, smallint 2, integer 4, date 4, others 8; text its bytes).
  case hllHash = 96
  /// (hll) → double; NULL for UNDEFINED.
  case hllCardinality = 97
  /// (hll, hll) → hll, same parameters.
  case hllUnion = 98
  /// (hll, hll_hashval) → hll.
  case hllAdd = 99
  /// (hll, hll) → boolean, by packed bytes.
  case hllEqual = 100
  /// (hll) → integer: 0 undefined, 1 empty, 2 explicit, 3 sparse, 4 full.
  case hllForm = 101
  /// (hll) → text: postgresql-hll's listing of what it holds.
  case hllPrint = 102

  // TopN.
  /// (topn, topn) → topn, same parameters.
  case topnUnion = 112
  /// (topn, text, bigint weight) → topn. Not strict: a NULL state is empty; a NULL item or a NULL or negative weight adds nothing.
  case topnAdd = 113

  // Numbers, 129 to 191: signatures of everything from here on stand in `FunctionTable`, whose rows are PostgreSQL's pg_proc.
  case power = 129
  case squareRoot = 130
  case cubeRoot = 131
  case exponential = 132
  case naturalLogarithm = 133
  case logarithm = 134
  case logarithmToBase = 135
  case sign = 136
  case greatestCommonDivisor = 137
  case leastCommonMultiple = 138
  case divideWhole = 139
  case widthBucket = 140
  case sine = 141
  case cosine = 142
  case tangent = 143
  case cotangent = 144
  case arcSine = 145
  case arcCosine = 146
  case arcTangent = 147
  case arcTangent2 = 148
  case hyperbolicSine = 149
  case hyperbolicCosine = 150
  case hyperbolicTangent = 151
  case degrees = 152
  case radians = 153
  case factorial = 154
  case scale = 155
  case minScale = 156
  case trimScale = 157
  case bitAnd = 158
  case bitOr = 159
  case bitXor = 160
  case bitNot = 161
  case shiftLeft = 162
  case shiftRight = 163
  case sizePretty = 164

  // Text, 192 to 287.
  case octetLength = 192
  case bitLength = 193
  case initCap = 194
  case substring = 195
  case position = 196
  case left = 197
  case right = 198
  case padLeft = 199
  case padRight = 200
  case trimLeft = 201
  case trimRight = 202
  case trimBoth = 203
  case replace = 204
  case translate = 205
  case repeated = 206
  case reverse = 207
  case splitPart = 208
  case format = 209
  case quoteIdentifier = 210
  case quoteLiteral = 211
  case startsWith = 212
  case ascii = 213
  case character = 214
  case md5 = 215
  case toHexadecimal = 216
  case overlay = 217
  case concatenateAll = 218
  case concatenateWith = 219
  case quoteNullable = 220
  case stringToArray = 221
  case arrayToString = 222
  case likePattern = 223
  case likeInsensitive = 224
  case likeEscape = 225
  case similarEscape = 226
  case matchesRegex = 227
  case matchesRegexInsensitive = 228
  case substringRegex = 229
  case regexReplace = 230
  case regexMatch = 231
  case regexSplitToArray = 232
  case regexCount = 233
  case regexSubstring = 234
  case regexInstring = 235
  case regexLike = 236
  /// (text, integer) → text: as varchar(n) keeps it when it is assigned, or, with -n, character(n); 22001 where more than blanks would be
  /// cut.
  case assignText = 237

  // Bytes and uuids, 288 to 303.
  case bytesLength = 288
  case bytesSubstring = 289
  case concatenateBytes = 290
  case encode = 291
  case decode = 292
  case getByte = 293
  case convertFrom = 294
  case convertTo = 295
  case bytesPosition = 296

  // Times, 304 to 399.
  case age = 304
  case makeDate = 305
  case makeTime = 306
  case makeTimestamp = 307
  case makeTimestamptz = 308
  case makeInterval = 309
  case formatTime = 310
  case formatInterval = 311
  case formatNumber = 312
  case parseDate = 313
  case parseTimestamp = 314
  case timestampOfEpoch = 315
  case parseNumber = 316
  case atZone = 317
  case isFinite = 318
  case justifyDays = 319
  case justifyHours = 320
  case justifyInterval = 321
  case addToTime = 322
  case subtractFromTime = 323
  case timeOfDayDifference = 324
  case dateAndTime = 325
  case overlaps = 326
  case dateBin = 327
  case extractFromTime = 328
  // These depend on a zone, whose text is their last argument (castInZone: the first): `ZonedFunctions`.
  case dateTruncInZone = 329
  /// (text zone, value) → a cast between timestamptz and a time without zone or a text.
  case castInZone = 330
  case addInZone = 331
  case formatInZone = 332
  case parseInZone = 333
  case zoneOffset = 334
  case isoInZone = 335

  // JSON, 400 to 463.
  case jsonField = 400
  case jsonFieldText = 401
  case jsonElement = 402
  case jsonElementText = 403
  case jsonPath = 404
  case jsonPathText = 405
  case jsonContains = 406
  case jsonHasKey = 407
  case jsonHasAny = 408
  case jsonHasAll = 409
  case jsonConcatenate = 410
  case jsonDeleteKey = 411
  case jsonDeleteKeys = 412
  case jsonDeleteElement = 413
  case jsonDeletePath = 414
  case jsonBuildObject = 415
  case jsonBuildArray = 416
  case toJSONB = 417
  case jsonTypeof = 418
  case jsonArrayLength = 419
  case jsonSet = 420
  case jsonInsert = 421
  case jsonStripNulls = 422
  case jsonPretty = 423
  case jsonObjectOfTexts = 424
  case jsonCast = 425

  // Arrays, 464 to 511.
  case makeArray = 464
  case arrayElement = 465
  case arraySlice = 466
  case arrayContains = 467
  case arrayOverlaps = 468
  case arrayConcatenate = 469
  case arrayAppend = 470
  case arrayPrepend = 471
  case arrayRemove = 472
  case arrayReplace = 473
  case arrayPosition = 474
  case arrayPositions = 475
  case arrayLength = 476
  case arrayUpper = 477
  case arrayLower = 478
  case cardinality = 479
  case arrayDimensions = 480
  case trimArray = 481
  case arrayFill = 482
  case quantified = 483

  // Others, 512 to 543.
  case greatest = 512
  case least = 513
  case nullCount = 514
  case notNullCount = 515
  case isDistinct = 516

  // Addresses, 544 to 575.
  case inetHost = 544
  case inetFull = 545
  case inetAbbreviated = 546
  case inetFamily = 547
  case inetLength = 548
  case inetSetLength = 549
  case inetBroadcast = 550
  case inetNetmask = 551
  case inetHostmask = 552
  case inetSameFamily = 553
  case inetIsWithin = 554
  case inetIsWithinOrEqual = 555
  case inetHolds = 556
  case inetHoldsOrEqual = 557
  case inetOverlaps = 558
  case inetAdd = 559
  case inetSubtract = 560
  case inetDifference = 561
  case inetAnd = 562
  case inetOr = 563
  case inetNot = 564

  /// Whether it compares two values.
  public var isComparison: Bool { rawValue <= Function.greaterOrEqual.rawValue }
  /// Whether its signatures stand in `FunctionTable` and `ScalarFunctions` evaluates it.
  public var isTabled: Bool { rawValue >= Function.power.rawValue }
  /// Whether any NULL argument gives NULL without a call.
  public var isStrict: Bool {
    switch self {
    case .topnAdd, .concatenateAll, .concatenateWith, .format, .quoteNullable, .stringToArray, .arrayToString, .jsonBuildObject,
      .jsonBuildArray, .jsonSet, .makeArray, .arrayConcatenate, .arrayAppend, .arrayPrepend, .arrayRemove, .arrayReplace, .arrayPosition,
      .arrayPositions, .arrayFill, .quantified, .greatest, .least, .nullCount, .notNullCount, .isDistinct, .overlaps:
      false
    default: true
    }
  }
}
