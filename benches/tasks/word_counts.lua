local seed = 42
local function below(n)
  seed = (seed * 16807) % 2147483647
  return seed % n
end
local syllables = { "ba", "ce", "di", "fo", "gu", "ha", "je", "ki", "lo", "mu", "na", "pe", "ri", "so", "tu", "va" }
local words = {}
for i = 1, 400000 do
  local word = syllables[below(16) + 1]
  word = word .. syllables[below(13) + 1]
  if below(5) < 3 then word = word .. syllables[below(11) + 1] end
  words[i] = word
end
local text = table.concat(words, " ")
words = nil
local counts = {}
for word in text:gmatch("[^ ]+") do counts[word] = (counts[word] or 0) + 1 end
local pairs_of = {}
for word, count in pairs(counts) do pairs_of[#pairs_of + 1] = { count, word } end
table.sort(pairs_of, function(a, b)
  if a[1] ~= b[1] then return a[1] > b[1] end
  return a[2] < b[2]
end)
for i = 1, 10 do print(pairs_of[i][2] .. " " .. pairs_of[i][1]) end
print(#pairs_of)
