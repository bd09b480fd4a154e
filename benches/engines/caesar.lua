local LOWER = "abcdefghijklmnopqrstuvwxyz"
local UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

local function make_table(shift)
  local result = {}
  for i = 0, 25 do
    local to = (i + shift) % 26 + 1
    result[LOWER:sub(i + 1, i + 1)] = LOWER:sub(to, to)
    result[UPPER:sub(i + 1, i + 1)] = UPPER:sub(to, to)
  end
  return result
end

local function encode(text, map)
  local out = {}
  for i = 1, #text do
    local c = text:sub(i, i)
    out[i] = map[c] or c
  end
  return table.concat(out)
end

local function is_palindrome(text)
  local i, j = 1, #text
  while i < j do
    if text:sub(i, i) ~= text:sub(j, j) then return false end
    i = i + 1
    j = j - 1
  end
  return true
end

local function vowels(text)
  local count = 0
  for i = 1, #text do
    local c = text:sub(i, i)
    if c == "a" or c == "e" or c == "i" or c == "o" or c == "u" then count = count + 1 end
  end
  return count
end

local function main()
  local text = ("The quick brown fox jumps over the lazy dog, never odd or even. "):rep(40)
  local tables = {}
  for shift = 0, 25 do tables[shift] = make_table(shift) end
  local current = text
  local total = 0
  for round = 0, 1199 do
    current = encode(current, tables[round % 25 + 1])
    total = total + vowels(current)
  end
  local mirrored = 0
  local sizes = { 3, 7, 11 }
  for start = 1, #text - 12 do
    for k = 1, 3 do
      if is_palindrome(text:sub(start, start + sizes[k] - 1)) then mirrored = mirrored + 1 end
    end
  end
  print(total .. " " .. mirrored .. " " .. current:sub(1, 40))
end
main()
