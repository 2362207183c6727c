// FunctionRows.swift — the rows of FunctionTable, by area.

extension FunctionTable {
  static let numbers = """
    abs(int2) int2 absolute
    abs(int4) int4 absolute
    abs(int8) int8 absolute
    abs(float4) float4 absolute
    abs(float8) float8 absolute
    abs(numeric) numeric absolute
    ceil(float8) float8 ceiling
    ceil(numeric) numeric ceiling
    ceiling(float8) float8 ceiling
    ceiling(numeric) numeric ceiling
    floor(float8) float8 floor
    floor(numeric) numeric floor
    round(float8) float8 round
    round(numeric) numeric round
    round(numeric,int4) numeric round
    trunc(float8) float8 truncate
    trunc(numeric) numeric truncate
    trunc(numeric,int4) numeric truncate
    mod(int2,int2) int2 modulo
    mod(int4,int4) int4 modulo
    mod(int8,int8) int8 modulo
    mod(numeric,numeric) numeric modulo
    power(float8,float8) float8 power
    power(numeric,numeric) numeric power
    pow(float8,float8) float8 power
    pow(numeric,numeric) numeric power
    sqrt(float8) float8 squareRoot
    sqrt(numeric) numeric squareRoot
    cbrt(float8) float8 cubeRoot
    exp(float8) float8 exponential
    exp(numeric) numeric exponential
    ln(float8) float8 naturalLogarithm
    ln(numeric) numeric naturalLogarithm
    log(float8) float8 logarithm
    log(numeric) numeric logarithm
    log10(float8) float8 logarithm
    log10(numeric) numeric logarithm
    log(numeric,numeric) numeric logarithmToBase
    sign(float8) float8 sign
    sign(numeric) numeric sign
    gcd(int4,int4) int4 greatestCommonDivisor
    gcd(int8,int8) int8 greatestCommonDivisor
    lcm(int4,int4) int4 leastCommonMultiple
    lcm(int8,int8) int8 leastCommonMultiple
    div(numeric,numeric) numeric divideWhole
    width_bucket(float8,float8,float8,int4) int4 widthBucket
    width_bucket(numeric,numeric,numeric,int4) int4 widthBucket
    sin(float8) float8 sine
    cos(float8) float8 cosine
    tan(float8) float8 tangent
    cot(float8) float8 cotangent
    asin(float8) float8 arcSine
    acos(float8) float8 arcCosine
    atan(float8) float8 arcTangent
    atan2(float8,float8) float8 arcTangent2
    sinh(float8) float8 hyperbolicSine
    cosh(float8) float8 hyperbolicCosine
    tanh(float8) float8 hyperbolicTangent
    degrees(float8) float8 degrees
    radians(float8) float8 radians
    factorial(int8) numeric factorial
    scale(numeric) int4 scale
    min_scale(numeric) int4 minScale
    trim_scale(numeric) numeric trimScale
    pg_size_pretty(int8) text sizePretty
    """
  static let texts = """
    .assign(text,int4) text assignText
    lower(text) text lower
    upper(text) text upper
    length(text) int4 length
    char_length(text) int4 length
    character_length(text) int4 length
    octet_length(text) int4 octetLength
    octet_length(bpchar) int4 octetLength
    bit_length(text) int4 bitLength
    initcap(text) text initCap
    substring(text,int4) text substring
    substring(text,int4,int4) text substring
    substr(text,int4) text substring
    substr(text,int4,int4) text substring
    substring(text,text) text substringRegex
    position(text,text) int4 position
    strpos(text,text) int4 position
    left(text,int4) text left
    right(text,int4) text right
    lpad(text,int4,text) text padLeft
    lpad(text,int4) text padLeft
    rpad(text,int4,text) text padRight
    rpad(text,int4) text padRight
    ltrim(text) text trimLeft
    ltrim(text,text) text trimLeft
    rtrim(text) text trimRight
    rtrim(text,text) text trimRight
    btrim(text) text trimBoth
    btrim(text,text) text trimBoth
    replace(text,text,text) text replace
    translate(text,text,text) text translate
    repeat(text,int4) text repeated
    reverse(text) text reverse
    split_part(text,text,int4) text splitPart
    concat(variadic any) text concatenateAll
    concat_ws(text,variadic any) text concatenateWith
    format(text,variadic any) text format
    quote_ident(text) text quoteIdentifier
    quote_literal(text) text quoteLiteral
    quote_nullable(text) text quoteNullable
    starts_with(text,text) bool startsWith
    ascii(text) int4 ascii
    chr(int4) text character
    md5(text) text md5
    md5(bytea) text md5
    to_hex(int4) text toHexadecimal
    to_hex(int8) text toHexadecimal
    overlay(text,text,int4) text overlay
    overlay(text,text,int4,int4) text overlay
    string_to_array(text,text) text[] stringToArray
    string_to_array(text,text,text) text[] stringToArray
    array_to_string(anyarray,text) text arrayToString
    array_to_string(anyarray,text,text) text arrayToString
    like(text,text) bool likePattern
    like_escape(text,text) text likeEscape
    similar_to_escape(text) text similarEscape
    similar_to_escape(text,text) text similarEscape
    regexp_replace(text,text,text) text regexReplace
    regexp_replace(text,text,text,text) text regexReplace
    regexp_match(text,text) text[] regexMatch
    regexp_match(text,text,text) text[] regexMatch
    regexp_split_to_array(text,text) text[] regexSplitToArray
    regexp_split_to_array(text,text,text) text[] regexSplitToArray
    regexp_like(text,text) bool regexLike
    regexp_like(text,text,text) bool regexLike
    regexp_count(text,text) int4 regexCount
    regexp_count(text,text,int4) int4 regexCount
    regexp_count(text,text,int4,text) int4 regexCount
    regexp_substr(text,text) text regexSubstring
    regexp_substr(text,text,int4) text regexSubstring
    regexp_substr(text,text,int4,int4) text regexSubstring
    regexp_substr(text,text,int4,int4,text) text regexSubstring
    regexp_substr(text,text,int4,int4,text,int4) text regexSubstring
    regexp_instr(text,text) int4 regexInstring
    regexp_instr(text,text,int4) int4 regexInstring
    regexp_instr(text,text,int4,int4) int4 regexInstring
    """
  static let binaries = """
    length(bytea) int4 bytesLength
    octet_length(bytea) int4 bytesLength
    substring(bytea,int4) bytea bytesSubstring
    substring(bytea,int4,int4) bytea bytesSubstring
    substr(bytea,int4) bytea bytesSubstring
    substr(bytea,int4,int4) bytea bytesSubstring
    position(bytea,bytea) int4 bytesPosition
    encode(bytea,text) text encode
    decode(text,text) bytea decode
    get_byte(bytea,int4) int4 getByte
    convert_from(bytea,name) text convertFrom
    convert_to(text,name) bytea convertTo
    """
  static let times = """
    age(timestamp,timestamp) interval age
    age(timestamptz,timestamptz) interval age
    make_date(int4,int4,int4) date makeDate
    make_time(int4,int4,float8) time makeTime
    make_timestamp(int4,int4,int4,int4,int4,float8) timestamp makeTimestamp
    make_timestamptz(int4,int4,int4,int4,int4,float8) timestamptz makeTimestamptz
    make_timestamptz(int4,int4,int4,int4,int4,float8,text) timestamptz makeTimestamptz
    make_interval(int4,int4,int4,int4,int4,int4,float8) interval makeInterval
    to_char(timestamp,text) text formatTime
    to_char(timestamptz,text) text formatTime
    to_char(interval,text) text formatInterval
    to_char(int4,text) text formatNumber
    to_char(int8,text) text formatNumber
    to_char(float4,text) text formatNumber
    to_char(float8,text) text formatNumber
    to_char(numeric,text) text formatNumber
    to_date(text,text) date parseDate
    to_timestamp(text,text) timestamptz parseTimestamp
    to_timestamp(float8) timestamptz timestampOfEpoch
    to_number(text,text) numeric parseNumber
    timezone(text,timestamp) timestamptz atZone
    timezone(text,timestamptz) timestamp atZone
    timezone(interval,timestamp) timestamptz atZone
    timezone(interval,timestamptz) timestamp atZone
    isfinite(date) bool isFinite
    isfinite(timestamp) bool isFinite
    isfinite(timestamptz) bool isFinite
    isfinite(interval) bool isFinite
    justify_days(interval) interval justifyDays
    justify_hours(interval) interval justifyHours
    justify_interval(interval) interval justifyInterval
    overlaps(time,time,time,time) bool overlaps
    overlaps(timestamp,timestamp,timestamp,timestamp) bool overlaps
    overlaps(timestamptz,timestamptz,timestamptz,timestamptz) bool overlaps
    overlaps(timestamp,interval,timestamp,interval) bool overlaps
    overlaps(timestamptz,interval,timestamptz,interval) bool overlaps
    date_bin(interval,timestamp,timestamp) timestamp dateBin
    date_bin(interval,timestamptz,timestamptz) timestamptz dateBin
    .truncate(int8,timestamptz,text) timestamptz dateTruncInZone
    .add(timestamptz,interval,text) timestamptz addInZone
    .to_char(timestamptz,text,text) text formatInZone
    .to_timestamp(text,text,text) timestamptz parseInZone
    .timezone(timestamptz,text) int4 zoneOffset
    .json(timestamptz,text) text isoInZone
    """
  static let documents = """
    jsonb_build_object(variadic any) jsonb jsonBuildObject
    jsonb_build_object() jsonb jsonBuildObject
    jsonb_build_array(variadic any) jsonb jsonBuildArray
    jsonb_build_array() jsonb jsonBuildArray
    json_build_object(variadic any) json jsonBuildObject
    json_build_array(variadic any) json jsonBuildArray
    to_jsonb(any) jsonb toJSONB
    to_json(any) json toJSONB
    jsonb_typeof(jsonb) text jsonTypeof
    json_typeof(json) text jsonTypeof
    jsonb_array_length(jsonb) int4 jsonArrayLength
    json_array_length(json) int4 jsonArrayLength
    json_extract_path(json,variadic text) json jsonPath
    json_extract_path_text(json,variadic text) text jsonPathText
    json_object_field(json,text) json jsonField
    json_object_field_text(json,text) text jsonFieldText
    jsonb_extract_path(jsonb,variadic text) jsonb jsonPath
    jsonb_extract_path_text(jsonb,variadic text) text jsonPathText
    jsonb_set(jsonb,text[],jsonb) jsonb jsonSet
    jsonb_set(jsonb,text[],jsonb,bool) jsonb jsonSet
    jsonb_insert(jsonb,text[],jsonb) jsonb jsonInsert
    jsonb_insert(jsonb,text[],jsonb,bool) jsonb jsonInsert
    jsonb_strip_nulls(jsonb) jsonb jsonStripNulls
    jsonb_pretty(jsonb) text jsonPretty
    jsonb_object(text[]) jsonb jsonObjectOfTexts
    jsonb_object(text[],text[]) jsonb jsonObjectOfTexts
    jsonb_object_field(jsonb,text) jsonb jsonField
    jsonb_object_field_text(jsonb,text) text jsonFieldText
    """
  static let arrays = """
    array_append(anycompatiblearray,anycompatible) anycompatiblearray arrayAppend
    array_prepend(anycompatible,anycompatiblearray) anycompatiblearray arrayPrepend
    array_cat(anycompatiblearray,anycompatiblearray) anycompatiblearray arrayConcatenate
    array_remove(anycompatiblearray,anycompatible) anycompatiblearray arrayRemove
    array_replace(anycompatiblearray,anycompatible,anycompatible) anycompatiblearray arrayReplace
    array_position(anycompatiblearray,anycompatible) int4 arrayPosition
    array_position(anycompatiblearray,anycompatible,int4) int4 arrayPosition
    array_positions(anycompatiblearray,anycompatible) int4[] arrayPositions
    array_length(anyarray,int4) int4 arrayLength
    array_upper(anyarray,int4) int4 arrayUpper
    array_lower(anyarray,int4) int4 arrayLower
    cardinality(anyarray) int4 cardinality
    array_ndims(anyarray) int4 arrayDimensions
    array_dims(anyarray) text arrayDimensions
    trim_array(anyarray,int4) anyarray trimArray
    array_fill(anyelement,int4[]) anyarray arrayFill
    .subscript(anyarray,int4) anyelement arrayElement
    .slice(anyarray,int4,int4) anyarray arraySlice
    .array(variadic anyelement) anyarray makeArray
    """
  static let others = """
    .greatest(variadic anyelement) anyelement greatest
    .least(variadic anyelement) anyelement least
    num_nulls(variadic any) int4 nullCount
    num_nonnulls(variadic any) int4 notNullCount
    .distinct(anyelement,anyelement) bool isDistinct
    """
  static let addresses = """
    host(inet) text inetHost
    text(inet) text inetFull
    abbrev(inet) text inetAbbreviated
    family(inet) int4 inetFamily
    masklen(inet) int4 inetLength
    set_masklen(inet,int4) inet inetSetLength
    broadcast(inet) inet inetBroadcast
    netmask(inet) inet inetNetmask
    hostmask(inet) inet inetHostmask
    inet_same_family(inet,inet) bool inetSameFamily
    <<(inet,inet) bool inetIsWithin
    <<=(inet,inet) bool inetIsWithinOrEqual
    >>(inet,inet) bool inetHolds
    >>=(inet,inet) bool inetHoldsOrEqual
    &&(inet,inet) bool inetOverlaps
    +(inet,int8) inet inetAdd
    -(inet,int8) inet inetSubtract
    -(inet,inet) int8 inetDifference
    &(inet,inet) inet inetAnd
    |(inet,inet) inet inetOr
    ~(inet) inet inetNot
    """
  static let operators = """
    ^(float8,float8) float8 power
    ^(numeric,numeric) numeric power
    |/(float8) float8 squareRoot
    ||/(float8) float8 cubeRoot
    @(int2) int2 absolute
    @(int4) int4 absolute
    @(int8) int8 absolute
    @(float4) float4 absolute
    @(float8) float8 absolute
    @(numeric) numeric absolute
    &(int2,int2) int2 bitAnd
    &(int4,int4) int4 bitAnd
    &(int8,int8) int8 bitAnd
    |(int2,int2) int2 bitOr
    |(int4,int4) int4 bitOr
    |(int8,int8) int8 bitOr
    #(int2,int2) int2 bitXor
    #(int4,int4) int4 bitXor
    #(int8,int8) int8 bitXor
    ~(int2) int2 bitNot
    ~(int4) int4 bitNot
    ~(int8) int8 bitNot
    <<(int2,int4) int2 shiftLeft
    <<(int4,int4) int4 shiftLeft
    <<(int8,int4) int8 shiftLeft
    >>(int2,int4) int2 shiftRight
    >>(int4,int4) int4 shiftRight
    >>(int8,int4) int8 shiftRight
    ~(text,text) bool matchesRegex
    ~(name,text) bool matchesRegex
    ~*(text,text) bool matchesRegexInsensitive
    ~*(name,text) bool matchesRegexInsensitive
    ~~(text,text) bool likePattern
    ~~*(text,text) bool likeInsensitive
    ^@(text,text) bool startsWith
    ||(text,text) text concatenate
    ||(bytea,bytea) bytea concatenateBytes
    ||(jsonb,jsonb) jsonb jsonConcatenate
    ||(anycompatiblearray,anycompatiblearray) anycompatiblearray arrayConcatenate
    ||(anycompatiblearray,anycompatible) anycompatiblearray arrayAppend
    ||(anycompatible,anycompatiblearray) anycompatiblearray arrayPrepend
    ->(jsonb,text) jsonb jsonField
    ->>(jsonb,text) text jsonFieldText
    ->(jsonb,int4) jsonb jsonElement
    ->>(jsonb,int4) text jsonElementText
    ->(json,text) json jsonField
    ->>(json,text) text jsonFieldText
    ->(json,int4) json jsonElement
    ->>(json,int4) text jsonElementText
    #>(json,text[]) json jsonPath
    #>>(json,text[]) text jsonPathText
    #>(jsonb,text[]) jsonb jsonPath
    #>>(jsonb,text[]) text jsonPathText
    @>(jsonb,jsonb) bool jsonContains
    ?(jsonb,text) bool jsonHasKey
    ?|(jsonb,text[]) bool jsonHasAny
    ?&(jsonb,text[]) bool jsonHasAll
    -(jsonb,text) jsonb jsonDeleteKey
    -(jsonb,text[]) jsonb jsonDeleteKeys
    -(jsonb,int4) jsonb jsonDeleteElement
    #-(jsonb,text[]) jsonb jsonDeletePath
    @>(anyarray,anyarray) bool arrayContains
    &&(anyarray,anyarray) bool arrayOverlaps
    +(time,interval) time addToTime
    -(time,interval) time subtractFromTime
    -(time,time) interval timeOfDayDifference
    +(date,time) timestamp dateAndTime
    """
}
