local function make_words(count)
  local letters = "etaoin"
  local words = {}
  local seed = 7
  for i = 0, count - 1 do
    local word = ""
    for k = 1, 3 + i % 4 do
      seed = seed * 16807 % 2147483647
      local at = seed % 6 + 1
      word = word .. letters:sub(at, at)
    end
    words[#words + 1] = word
  end
  return words
end

local function signature(word)
  local letters = {}
  for i = 1, #word do letters[i] = word:sub(i, i) end
  for i = 2, #letters do
    local letter = letters[i]
    local k = i - 1
    while k >= 1 and letters[k] > letter do
      letters[k + 1] = letters[k]
      k = k - 1
    end
    letters[k + 1] = letter
  end
  return table.concat(letters)
end

local function main()
  local words = make_words(300000)
  local groups, size = {}, 0
  for i = 1, #words do
    local word = words[i]
    local key = signature(word)
    local group = groups[key]
    if group == nil then
      group = {}
      groups[key] = group
      size = size + 1
    end
    group[#group + 1] = word
  end
  local largest, most, distinct = "", 0, 0
  for key, group in pairs(groups) do
    if #group > most or #group == most and key < largest then
      most = #group
      largest = key
    end
    local seen = {}
    for i = 1, #group do
      if not seen[group[i]] then
        seen[group[i]] = true
        distinct = distinct + 1
      end
    end
  end
  print(size .. " " .. most .. " " .. largest .. " " .. distinct)
end
main()
