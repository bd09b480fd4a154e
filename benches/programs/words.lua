local syllables = { "ka", "lo", "mi", "ne", "ru", "sa", "to" }
local counts, size = {}, 0
local state = 1
for i = 1, 300000 do
  state = (state * 1103 + 12345) % 65521
  local word = syllables[state % 7 + 1] .. syllables[state // 7 % 7 + 1] .. syllables[state // 49 % 7 + 1]
  local count = counts[word]
  if count == nil then
    size = size + 1
    count = 0
  end
  counts[word] = count + 1
end
local most = 0
for _, count in pairs(counts) do
  if count > most then most = count end
end
print(size .. " " .. most)
